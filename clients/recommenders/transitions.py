"""Last-item transitions: a first-order Markov chain over items."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from clients.data.dataset import Catalogue, Histories, Int64s
from clients.recommenders.base import (
    BACK_OFF,
    Arrays,
    Evidence,
    Float32s,
    relative_popularity,
    sparse_of,
    sparse_state,
)
from clients.recommenders.errors import NotFittedError
from clients.recommenders.lookup import Base, SparseLookup, sum_of_rows


class Transitions:
    """Scores an item by how often users went to it straight from the history's last item.

    The score is the share of the last item's transitions, plus `BACK_OFF` times the relative
    popularity. An empty history is scored by popularity alone.
    """

    def __init__(self) -> None:
        self._shares: sparse.csr_array | None = None
        self._popularity: Float32s | None = None
        self._base: Base | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Count the pairs of consecutive events of each user."""
        n_items = len(catalogue)
        source, target = consecutive_pairs(histories)
        shape = (n_items, n_items)
        counts = sparse.csr_array((np.ones(len(source)), (source, target)), shape=shape)
        left = np.maximum(counts.sum(axis=1), 1.0)
        shares = sparse.csr_array(sparse.diags_array(1.0 / left) @ counts)
        self._shares, self._base = shares.astype(np.float32), None
        self._popularity = relative_popularity(histories, n_items)
        return self

    def state(self) -> Arrays:
        """See `Storable`."""
        shares, popularity = self._fitted()
        return {**sparse_state(shares), "popularity": popularity}

    def restore(self, state: Arrays) -> Self:
        """See `Storable`."""
        self._shares, self._popularity = sparse_of(state), state["popularity"]
        self._base = None
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) shares of the transitions that leave each history's last item."""
        shares, popularity = self._fitted()
        back_off = np.float32(BACK_OFF) * popularity
        result = np.tile(back_off, (len(histories), 1))
        known = np.flatnonzero(histories.lengths)
        last = histories.items[histories.offsets[known + 1] - 1]
        result[known] += shares[last].toarray()
        return result

    def lookup(self, history: Histories, /) -> SparseLookup:
        """See `Retrieving`: what followed the history's last item."""
        shares, popularity = self._fitted()
        self._base = self._base or Base.of(np.float32(BACK_OFF) * popularity)
        last = history.items[-1:].astype(np.int64)
        row = sum_of_rows(shares, last, np.ones(len(last), dtype=np.float32))
        return SparseLookup(self._base, *row)

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """All of it comes from the last event."""
        shares, popularity = self._fitted()
        events = np.zeros((len(targets), len(history.items)))
        if len(history.items):
            events[:, -1] = shares[history.items[-1:]].toarray()[0, targets]
        return Evidence(events, BACK_OFF * popularity[targets].astype(np.float64))

    def _fitted(self) -> tuple[sparse.csr_array, Float32s]:
        if self._shares is None or self._popularity is None:
            raise NotFittedError("transitions have no counts")
        return self._shares, self._popularity


def consecutive_pairs(histories: Histories) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Items of each event that has a successor, and of that successor."""
    has_next = np.ones(len(histories.items), dtype=np.bool_)
    has_previous = has_next.copy()
    filled = histories.lengths > 0
    has_next[histories.offsets[1:][filled] - 1] = False
    has_previous[histories.offsets[:-1][filled]] = False
    return histories.items[has_next], histories.items[has_previous]
