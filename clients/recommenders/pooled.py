"""What the federation's private statistics add to a node's own counts, as recommenders.

They are fitted like the others, on the node's own data, but score with released sums over all
partners' users (`shared.statistics`): post-processing, so they cost no further privacy. What is
said here of articles holds for clusters of the item space, of which a node has several items each.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from clients.data.dataset import Catalogue, Histories
from clients.recommenders.base import BACK_OFF, Float32s, history_matrix, relative_popularity
from clients.recommenders.errors import NotFittedError
from shared.statistics import Float64s, Int64s


class PooledPopularity:
    """Scores an item by its released popularity; items that the partners do not share score 0.

    Parameters
    ----------
    popularity
        (A,) released popularity of the shared articles; that of a cluster is divided among the
        items that this node has of it.
    places
        (N,) place of each item among them, -1 for items of this node alone.
    """

    def __init__(self, popularity: Float64s, places: Int64s) -> None:
        self._popularity, self._places = popularity, places
        self._scores: Float32s | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Look up the catalogue's items; nothing of `histories` is read."""
        carried = self._places[self._places >= 0]
        items = np.bincount(carried, minlength=len(self._popularity))
        each = np.maximum(self._popularity, 0.0) / np.maximum(items, 1)
        values = np.append(each, 0.0)[self._places]  # the last one is for -1
        self._scores = (values / max(values.max(initial=0.0), 1e-12)).astype(np.float32)
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) read-only: one row, repeated."""
        if self._scores is None:
            raise NotFittedError("pooled popularity was not looked up")
        return np.broadcast_to(self._scores, (len(histories), len(self._scores)))


class PooledItemKNN:
    """Item kNN whose similarities are released pair counts of the most wanted shared articles.

    The similarity of two articles is ``pairs / sqrt(popularity * popularity)``; pairs that noise
    alone may have made are zero already.

    Parameters
    ----------
    pairs
        (F, F) symmetric, not negative.
    popularity
        (F,) released popularity of the same articles.
    places
        (N,) place of each item of this node among them, -1 for others.
    decay
        Weight ``decay ** age`` of an item of the history, age 0 for the latest.
    """

    def __init__(
        self, pairs: Float64s, popularity: Float64s, places: Int64s, *, decay: float = 0.8
    ) -> None:
        scale = np.sqrt(np.maximum(popularity, 1.0))
        self._similarities = (pairs / np.outer(scale, scale)).astype(np.float32)
        carried = np.flatnonzero(places >= 0)
        entries = (np.ones(len(carried), dtype=np.float32), (carried, places[carried]))
        self._belongs = sparse.csr_array(entries, shape=(len(places), len(popularity)))
        self.decay = decay
        self._back_off: Float32s | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Histories only break ties."""
        self._back_off = np.float32(BACK_OFF) * relative_popularity(histories, len(catalogue))
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) similarity of each item to each history."""
        if self._back_off is None:
            raise NotFittedError("pooled item kNN is not fitted")
        weights = history_matrix(histories, len(self._back_off), self.decay).astype(np.float32)
        wanted = (weights @ self._belongs) @ self._similarities
        return np.asarray((self._belongs @ wanted.T).T + self._back_off, dtype=np.float32)
