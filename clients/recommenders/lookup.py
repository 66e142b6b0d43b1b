"""Scores of some items for one user, at a cost that does not grow with the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from clients.data.dataset import Histories, Int64s
from clients.recommenders.base import Float32s


class Lookup(Protocol):
    """What a recommender says about one user's history.

    Attributes
    ----------
    total
        Sum of the scores over the catalogue.
    """

    @property
    def total(self) -> float: ...  # noqa: D102

    def strongest(self) -> tuple[Int64s, Float32s]:
        """(M,) distinct items for which the history speaks, and about how much.

        Items with little evidence may be missing.
        """
        ...

    def at(self, items: Int64s) -> Float32s:
        """(K,) the recommender's scores of `items`, exactly."""
        ...


@runtime_checkable
class Retrieving(Protocol):
    """A recommender that can be asked about some items alone."""

    def lookup(self, history: Histories, /) -> Lookup:
        """Look one user's history up."""
        ...


@runtime_checkable
class Querying(Protocol):
    """A model that looks for items near a query: its scores are logits of inner products."""

    def queries(self, histories: Histories, /) -> Float32s:
        """(B, d) query of each user."""
        ...

    def logits_of(self, query: Float32s, items: Int64s, /) -> Float32s:
        """(K,) logits of some items for one query."""
        ...


@dataclass(frozen=True, slots=True)
class Base:
    """What a recommender says of each item when nothing speaks for it.

    Attributes
    ----------
    scores
        (N,) float32.
    total
        Their sum.
    """

    scores: Float32s
    total: float

    @classmethod
    def of(cls, scores: Float32s) -> Base:
        """Add the scores up."""
        return cls(scores, float(scores.sum(dtype=np.float64)))


@dataclass(frozen=True, slots=True)
class SparseLookup:
    """Scores that differ from a base for few items.

    Attributes
    ----------
    base
        Scores for which nothing speaks.
    items, values
        (M,) distinct items, rising, and what is added to their base.
    """

    base: Base
    items: Int64s
    values: Float32s

    @property
    def total(self) -> float:
        """Sum of the scores over the catalogue."""
        return self.base.total + float(self.values.sum(dtype=np.float64))

    def strongest(self) -> tuple[Int64s, Float32s]:
        """All items that the history speaks for."""
        return self.items, self.values

    def at(self, items: Int64s) -> Float32s:
        """(K,) scores of `items`."""
        found: Float32s = self.base.scores[items]
        if len(self.items):
            places = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
            found = found + np.where(self.items[places] == items, self.values[places], 0)
        return found


def sum_of_rows(matrix: sparse.csr_array, rows: Int64s, weights: Float32s) -> SparseRow:
    """Weighted sum of some rows of a matrix: columns, rising, and values.

    Plain numpy: for one user it takes a tenth of the time of a sparse product.
    """
    parts = [slice(*matrix.indptr[row : row + 2]) for row in rows]
    columns = np.concatenate([matrix.indices[part] for part in parts] or [_NOTHING])
    values = [w * matrix.data[part] for w, part in zip(weights, parts, strict=True)]
    return summed(columns, np.concatenate(values or [_NOTHING]))


def summed(items: NDArray[np.integer], values: NDArray[np.floating]) -> SparseRow:
    """Distinct items, rising, and the sum of the values of each; faster than `numpy.unique`."""
    order = np.argsort(items)
    ordered = items[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    if not len(starts):
        return ordered.astype(np.int64), values.astype(np.float32)
    sums = np.add.reduceat(values[order], starts)
    return ordered[starts].astype(np.int64), sums.astype(np.float32)


def distinct(items: Int64s) -> Int64s:
    """Each item once, rising."""
    ordered = np.sort(items)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=-1))]


SparseRow = tuple[Int64s, Float32s]
_NOTHING = np.empty(0, dtype=np.int32)
