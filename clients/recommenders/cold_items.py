"""Which items nobody at the platform has met yet: what the fusion weighs differently.

Of a cold item, counts and co-occurrences know nothing, so that a fusion with one weight a part
ranks it far below where its text belongs. On a small shop a third of what users choose next is
cold.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Catalogue, Histories
from clients.recommenders.base import Arrays, Float32s
from clients.recommenders.errors import NotFittedError
from clients.recommenders.lookup import Base, SparseLookup


class ColdItems:
    """Scores an item 1 if no training event is about it, 0 otherwise."""

    def __init__(self) -> None:
        self._scores: Float32s | None = None
        self._base: Base | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Look which items were met."""
        met = np.bincount(histories.items, minlength=len(catalogue))
        self._scores, self._base = (met == 0).astype(np.float32), None
        return self

    def state(self) -> Arrays:
        """See `Storable`."""
        return {"scores": self._fitted()}

    def restore(self, state: Arrays) -> Self:
        """See `Storable`."""
        self._scores, self._base = state["scores"], None
        return self

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(N,) whether each item is cold."""
        return self._fitted() > 0

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) read-only: one row, repeated."""
        scores = self._fitted()
        return np.broadcast_to(scores, (len(histories), len(scores)))

    def lookup(self, history: Histories, /) -> SparseLookup:
        """See `Retrieving`: the history says nothing."""
        self._base = self._base or Base.of(self._fitted())
        nothing = np.empty(0, dtype=np.int64)
        return SparseLookup(self._base, nothing, nothing.astype(np.float32))

    def _fitted(self) -> Float32s:
        if self._scores is None:
            raise NotFittedError("nobody has looked which items are cold")
        return self._scores
