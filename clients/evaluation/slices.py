"""Groups of users in which a mean can hide: short histories, rare and never seen targets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Histories
from clients.evaluation.split import Fold

RARE = 5
"""A target with fewer training events is rare."""


def slices(fold: Fold, training: Histories, n_items: int) -> dict[str, NDArray[np.bool_]]:
    """Name → (B,) mask of the users in the slice.

    The length of a history counts the target; a rare target has 1 to 4 training events, a never
    seen one has none, so that only its text can recommend it.
    """
    length = fold.contexts.lengths + 1
    seen = np.bincount(training.items, minlength=n_items)[fold.targets]
    return {
        "history 3-4": length < 5,
        "history 5-9": (length >= 5) & (length < 10),
        "history 10+": length >= 10,
        "rare target": (seen > 0) & (seen < RARE),
        "never seen target": seen == 0,
    }
