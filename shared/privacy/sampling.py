"""Which users take part in a step.

The accountant's amplification holds for Poisson sampling, every user in or out by an independent
coin, and not for shuffling through the data (Chua et al. 2024; Annamalai et al. 2024 find up to
four times the claimed epsilon). The coins are secret: they come from the cryptographic generator.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shared.privacy.errors import InvalidMechanismError
from shared.privacy.noise import KeyStream

_GRID = 1 << 53


class PoissonSampler:
    """Batches in which each user takes part with the same probability, independently.

    Parameters
    ----------
    sample_rate
        Public probability in (0, 1].
    users
        Number of users at hand; private, and never told to anyone by this class.
    """

    def __init__(self, sample_rate: float, users: int) -> None:
        if not 0 < sample_rate <= 1:
            raise InvalidMechanismError(f"sample rate {sample_rate} is not in (0, 1]")
        if users < 0:
            raise InvalidMechanismError(f"{users} users")
        self.sample_rate, self.users = sample_rate, users
        self._threshold = math.floor(sample_rate * _GRID)
        self._stream = KeyStream()

    def draw(self) -> NDArray[np.int64]:
        """Rows of the users in one batch, ascending; possibly none."""
        coins = self._stream.integers(self.users)
        rows: NDArray[np.int64] = (coins < self._threshold).nonzero().squeeze(1).numpy()
        return rows

    def batches(self, steps: int) -> Iterator[NDArray[np.int64]]:
        """`steps` independent batches."""
        return (self.draw() for _ in range(steps))
