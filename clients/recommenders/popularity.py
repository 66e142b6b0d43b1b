"""Popularity: the same ranking for everybody, the floor of every table."""

from __future__ import annotations

from typing import Self

import numpy as np

from clients.data.dataset import Catalogue, Histories, Int64s
from clients.recommenders.base import Evidence, ages, relative_popularity
from clients.recommenders.same_for_all import SameForAll


class Popularity(SameForAll):
    """Scores an item by its number of training events.

    Parameters
    ----------
    half_life
        Events of a user count half as much after this many later ones of the same user, so that
        what users do lately weighs more. None counts all alike.
    """

    def __init__(self, half_life: float | None = None) -> None:
        super().__init__()
        self.half_life = half_life

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Count the events of each item."""
        if self.half_life is None:
            return self.restore({"scores": relative_popularity(histories, len(catalogue))})
        weights = 0.5 ** (ages(histories) / self.half_life)
        counts = np.bincount(histories.items, weights=weights, minlength=len(catalogue))
        shares = counts / max(counts.max(initial=0.0), 1e-12)
        return self.restore({"scores": shares.astype(np.float32)})

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """None of it comes from the history."""
        nothing = np.zeros((len(targets), len(history.items)))
        return Evidence(nothing, self._fitted()[targets].astype(np.float64))
