"""What a node keeps on disk of a session of secure aggregation, and for how long.

The snapshot opens this node's masks of its session and the noise key takes its share of noise back
off, so neither may rest longer than needed: both are deleted once the sum is verified, or another
round or run begins. The one-use locks stay for ever; they are no secret and keep a round closed.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.files import write_atomically
from shared.secagg.hashing import derive

_SNAPSHOT = "session.bin"
_NOISE = "noise.bin"


class SessionFiles:
    """The secrets of one session below the directory of its run, mode 0600."""

    def __init__(self, directory: Path) -> None:
        self._snapshot, self._noise = directory / _SNAPSHOT, directory / _NOISE

    def save(self, number: int, attempt: int, snapshot: bytes) -> None:
        """Keep the snapshot of an attempt at round `number`."""
        head = _place(number) + attempt.to_bytes(2, "little")
        write_atomically(self._snapshot, head + snapshot, private=True)

    def load(self) -> tuple[int, int, bytes] | None:
        """Round, attempt and snapshot as kept; None if there is none."""
        if not self._snapshot.exists():
            return None
        raw = self._snapshot.read_bytes()
        number = int.from_bytes(raw[:4], "little", signed=True)
        return number, int.from_bytes(raw[4:6], "little"), raw[6:]

    def noise_key(self, number: int, update: NDArray[np.float32]) -> bytes:
        """Key of this node's share of distributed noise: the same in every attempt at a round.

        It follows from the update too, so that another update never meets the same noise.
        """
        if not self._noise.exists():
            write_atomically(self._noise, os.urandom(32), private=True)
        return derive(self._noise.read_bytes(), "noise", _place(number), update.tobytes())

    def forget_unless(self, number: int) -> None:
        """Delete what is of another round than `number`."""
        kept = self.load()
        if kept is None or kept[0] != number:
            self.forget()

    def forget(self) -> None:
        """Delete snapshot and noise key."""
        self._snapshot.unlink(missing_ok=True)
        self._noise.unlink(missing_ok=True)


def _place(number: int) -> bytes:
    """Statistics have numbers up to 0."""
    return number.to_bytes(4, "little", signed=True)


def forget_other_runs(current: Path) -> None:
    """Delete the secrets of every run but `current`: a node is in one session at a time."""
    for directory in current.parent.iterdir():
        if directory.is_dir() and directory != current:
            SessionFiles(directory).forget()
