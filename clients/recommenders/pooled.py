"""What the federation's private statistics add to a node's own counts, as recommenders.

They are fitted like the others, on the node's own data, but score with released sums over all
partners' users (`shared.statistics`): post-processing, so they cost no further privacy.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
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
        (A,) released popularity of the shared articles.
    places
        (N,) place of each item among them, -1 for items of this node alone.
    """

    def __init__(self, popularity: Float64s, places: Int64s) -> None:
        self._popularity, self._places = popularity, places
        self._scores: Float32s | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Look up the catalogue's items; nothing of `histories` is read."""
        known = np.append(np.maximum(self._popularity, 0.0), 0.0)  # the last one is for -1
        values = known[self._places]
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
    items
        (F,) item index of each at this node, -1 where it does not carry the article.
    decay
        Weight ``decay ** age`` of an item of the history, age 0 for the latest.
    """

    def __init__(
        self,
        pairs: Float64s,
        popularity: Float64s,
        items: NDArray[np.int64],
        *,
        decay: float = 0.8,
    ) -> None:
        self._pairs, self._popularity, self._items = pairs, popularity, items
        self.decay = decay
        self._similarities: sparse.csr_array | None = None
        self._back_off: Float32s | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Compute the similarities of the articles carried here; histories only break ties."""
        carried = self._items >= 0
        items = self._items[carried]
        scale = np.sqrt(np.maximum(self._popularity[carried], 1.0))
        values = sparse.coo_array(self._pairs[np.ix_(carried, carried)] / np.outer(scale, scale))
        entries = (values.data.astype(np.float32), (items[values.row], items[values.col]))
        shape = (len(catalogue), len(catalogue))
        self._similarities = sparse.csr_array(entries, shape=shape)
        self._back_off = np.float32(BACK_OFF) * relative_popularity(histories, len(catalogue))
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) similarity of each item to each history."""
        if self._similarities is None or self._back_off is None:
            raise NotFittedError("pooled item kNN has no similarities")
        weights = history_matrix(histories, len(self._back_off), self.decay).astype(np.float32)
        return np.asarray((weights @ self._similarities).toarray() + self._back_off)
