"""Item kNN plus half TF-IDF: the strongest recommender for which nothing is learned."""

from __future__ import annotations

from typing import Self

import numpy as np

from clients.data.dataset import Catalogue, Histories
from clients.recommenders.base import Float32s
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.tfidf import TfIdf


class ItemKNNPlusTfIdf:
    """Sums the cosines of co-occurrence and of text, both over the decayed history.

    Parameters
    ----------
    text_weight
        Weight of TF-IDF beside 1 for item kNN.
    decay
        Weight ``decay ** age`` of an item of the history, age 0 for the latest.
    """

    def __init__(self, text_weight: float = 0.5, decay: float = 0.8) -> None:
        self.text_weight = text_weight
        self._item_knn, self._tfidf = ItemKNN(decay), TfIdf(decay)

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Fit both parts."""
        self._item_knn.fit(histories, catalogue)
        self._tfidf.fit(histories, catalogue)
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) weighted sum of both parts' scores."""
        text = self._tfidf.scores(histories)
        return np.asarray(
            self._item_knn.scores(histories) + np.float32(self.text_weight) * text,
            dtype=np.float32,
        )
