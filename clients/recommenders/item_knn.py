"""Item kNN: items met by the same users are similar (Sarwar et al. 2001)."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from clients.data.dataset import Catalogue, Histories, Int64s
from clients.recommenders.base import (
    BACK_OFF,
    Arrays,
    Evidence,
    Float32s,
    event_weights,
    history_matrix,
    relative_popularity,
    sparse_of,
    sparse_state,
)
from clients.recommenders.errors import NotFittedError
from clients.recommenders.lookup import Base, SparseLookup, sum_of_rows


class ItemKNN:
    """Scores an item by its similarities to the items of the history, summed.

    The similarity of two items is ``n_ij / (sqrt(n_i n_j) + shrinkage)``, n the number of users
    who met one or both: the cosine where there is no shrinkage.

    Parameters
    ----------
    decay
        Weight ``decay ** age`` of an item of the history, age 0 for the latest.
    neighbours
        Most similar items that an item of the history speaks for.
    shrinkage
        Pulls the similarity of rare items, which rests on few users, towards 0.
    """

    def __init__(
        self, decay: float = 1.0, *, neighbours: int = 200, shrinkage: float = 0.0
    ) -> None:
        self.decay = decay
        self.neighbours = neighbours
        self.shrinkage = shrinkage
        self._similarities: sparse.csr_array | None = None
        self._back_off: Float32s | None = None
        self._base: Base | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Compute the similarities of items that occur in one history."""
        similarities = self._similar(history_matrix(histories, len(catalogue)))
        self._similarities = strongest(similarities, self.neighbours)
        self._back_off = np.float32(BACK_OFF) * relative_popularity(histories, len(catalogue))
        self._base = None
        return self

    def state(self) -> Arrays:
        """See `Storable`."""
        similarities, back_off = self._fitted()
        return {**sparse_state(similarities), "back_off": back_off}

    def restore(self, state: Arrays) -> Self:
        """See `Storable`."""
        self._similarities, self._back_off = sparse_of(state), state["back_off"]
        self._base = None
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) similarity of each item to each history."""
        similarities, back_off = self._fitted()
        weights = history_matrix(histories, len(back_off), self.decay).astype(np.float32)
        return np.asarray((weights @ similarities).toarray() + back_off)

    def _fitted(self) -> tuple[sparse.csr_array, Float32s]:
        if self._similarities is None or self._back_off is None:
            raise NotFittedError("item kNN has no similarities")
        return self._similarities, self._back_off

    def lookup(self, history: Histories, /) -> SparseLookup:
        """See `Retrieving`: the neighbours of the history's items."""
        similarities, back_off = self._fitted()
        self._base = self._base or Base.of(back_off)
        met = history_matrix(history, len(back_off), self.decay)
        row = sum_of_rows(similarities, met.indices, met.data.astype(np.float32))
        return SparseLookup(self._base, *row)

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """Weighted similarity of each target to each item of the history."""
        similarities, back_off = self._fitted()
        similar = similarities[history.items][:, targets].toarray().astype(np.float64)
        weights = event_weights(history, self.decay)
        return Evidence(similar.T * weights, back_off[targets].astype(np.float64))

    def _similar(self, met: sparse.csr_array) -> sparse.csr_array:
        """(N, N) similarities of different items, from the (U, N) binary matrix of histories."""
        together = sparse.csr_array(met.T @ met)
        users = together.diagonal()
        together.setdiag(0.0)
        together.eliminate_zeros()
        rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
        scale = np.sqrt(users[rows] * users[together.indices]) + self.shrinkage
        together.data = (together.data / scale).astype(np.float32)
        return together


def strongest(matrix: sparse.csr_array, k: int) -> sparse.csr_array:
    """Only the `k` largest values of each row; ties at the border go to the first columns."""
    matrix.sort_indices()
    lengths = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((-matrix.data, rows))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], lengths)
    kept = place < k
    entries = (matrix.data[kept], (rows[kept], matrix.indices[kept]))
    return sparse.csr_array(entries, shape=matrix.shape)
