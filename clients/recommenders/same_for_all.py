"""What recommenders have in common that say the same to everybody, whatever their history."""

from __future__ import annotations

from typing import Self

import numpy as np

from clients.data.dataset import Histories
from clients.recommenders.base import Arrays, Float32s
from clients.recommenders.errors import NotFittedError
from clients.recommenders.lookup import Base, SparseLookup


class SameForAll:
    """One score an item; subclasses fit it."""

    def __init__(self) -> None:
        self._scores: Float32s | None = None
        self._base: Base | None = None

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

    def _fitted(self) -> Float32s:
        if self._scores is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted")
        return self._scores
