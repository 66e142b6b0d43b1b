"""Popularity: the same ranking for everybody, the floor of every table."""

from __future__ import annotations

from typing import Self

import numpy as np

from clients.data.dataset import Catalogue, Histories, Int64s
from clients.recommenders.base import Arrays, Evidence, Float32s, ages, relative_popularity
from clients.recommenders.errors import NotFittedError
from clients.recommenders.lookup import Base, SparseLookup


class Popularity:
    """Scores an item by its number of training events.

    Parameters
    ----------
    half_life
        Events of a user count half as much after this many later ones of the same user, so that
        what users do lately weighs more. None counts all alike.
    """

    def __init__(self, half_life: float | None = None) -> None:
        self.half_life = half_life
        self._scores: Float32s | None = None
        self._base: Base | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Count the events of each item."""
        self._base = None
        if self.half_life is None:
            self._scores = relative_popularity(histories, len(catalogue))
            return self
        weights = 0.5 ** (ages(histories) / self.half_life)
        counts = np.bincount(histories.items, weights=weights, minlength=len(catalogue))
        self._scores = (counts / max(counts.max(initial=0.0), 1e-12)).astype(np.float32)
        return self

    def state(self) -> Arrays:
        """See `Storable`."""
        return {"scores": self._fitted()}

    def restore(self, state: Arrays) -> Self:
        """See `Storable`."""
        self._scores, self._base = state["scores"], None
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) read-only: one row, repeated."""
        scores = self._fitted()
        return np.broadcast_to(scores, (len(histories), len(scores)))

    def lookup(self, history: Histories, /) -> SparseLookup:
        """See `Retrieving`: the history says nothing."""
        self._base = self._base or Base.of(self._fitted())
        nothing = np.empty(0, dtype=np.int64)
        return SparseLookup(self._base, nothing, nothing.astype(np.float32))

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """None of it comes from the history."""
        nothing = np.zeros((len(targets), len(history.items)))
        return Evidence(nothing, self._fitted()[targets].astype(np.float64))

    def _fitted(self) -> Float32s:
        if self._scores is None:
            raise NotFittedError("popularity has no counts")
        return self._scores
