"""What a node brings to a session, and what it takes away."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.secagg.errors import StageSpentError
from shared.secagg.identity import Identity
from shared.secagg.masks import Ring
from shared.secagg.policy import Session, SessionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What a node knows before the first message.

    `root` are 32 secret bytes from the operating system, fresh for every attempt; everything secret
    follows from them, so they are all a restarted process needs besides the received messages.
    """

    policy: SessionPolicy
    session: Session
    identity: Identity
    root: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A masked vector and its signed header."""

    header: bytes
    vector: Ring


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSum:
    """A sum whose tag was checked by this node.

    Attributes
    ----------
    vector
        (d,) float64 sum of the survivors' clipped updates.
    words
        Sums of the 64-bit words.
    survivors
        Partner ids in the sum.
    """

    vector: NDArray[np.float64]
    words: tuple[int, ...]
    survivors: tuple[int, ...]

    def mean(self) -> NDArray[np.float64]:
        """(d,) sum divided by the number of survivors."""
        return self.vector / len(self.survivors)


class Stage:
    """One transition, once; a refused message leaves the stage as it was."""

    def __init__(self) -> None:
        self._spent = False

    def _check_unspent(self) -> None:
        if self._spent:
            raise StageSpentError(f"{type(self).__name__} has already made its transition")

    def _spend(self) -> None:
        self._spent = True
