"""TF-IDF: items whose words resemble those of the history (Salton & Buckley 1988)."""

from __future__ import annotations

import re
from typing import Final, Self

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
from clients.recommenders.postings import Postings, TextLookup

_WORD: Final = re.compile(r"\w+")


class TfIdf:
    """Scores an item by its cosine to the decayed sum of the history's items.

    Item vectors are binary in the words of title and categories, weighted by ``log(N / df)`` and
    of unit length. An item without words is like no other.

    Parameters
    ----------
    decay
        Weight ``decay ** age`` of an item of the history, age 0 for the latest.
    """

    def __init__(self, decay: float = 0.8) -> None:
        self.decay = decay
        self._vectors: sparse.csr_array | None = None
        self._back_off: Float32s | None = None
        self._postings: Postings | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Weigh the words of the catalogue; the histories only break ties."""
        texts = zip(catalogue.titles, catalogue.categories, strict=True)
        self._vectors = tfidf_vectors([f"{title} {categories}" for title, categories in texts])
        popularity = relative_popularity(histories, len(catalogue))
        self._back_off = np.float32(BACK_OFF) * popularity
        self._postings = None
        return self

    def state(self) -> Arrays:
        """See `Storable`."""
        vectors, back_off = self._fitted()
        return {**sparse_state(vectors), "back_off": back_off}

    def restore(self, state: Arrays) -> Self:
        """See `Storable`."""
        self._vectors, self._back_off = sparse_of(state), state["back_off"]
        self._postings = None
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) similarity of each item to each history."""
        vectors, back_off = self._fitted()
        weights = history_matrix(histories, vectors.shape[0], self.decay)
        # Almost every item shares some word with a profile: sparse by dense is the quicker product.
        profiles = (weights.astype(np.float32) @ vectors).toarray()
        similar = vectors @ np.ascontiguousarray(profiles.T)
        return np.ascontiguousarray(similar.T) + back_off

    def lookup(self, history: Histories, /) -> TextLookup:
        """See `Retrieving`: items that share words with the history."""
        vectors, back_off = self._fitted()
        if self._postings is None:
            self._postings = Postings.of(vectors, back_off)
        weights = history_matrix(history, vectors.shape[0], self.decay).astype(np.float32)
        profile = (weights @ vectors).tocoo()
        return TextLookup(vectors, self._postings, profile.coords[1], profile.data)

    def _fitted(self) -> tuple[sparse.csr_array, Float32s]:
        if self._vectors is None or self._back_off is None:
            raise NotFittedError("TF-IDF has no item vectors")
        return self._vectors, self._back_off

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """Weighted cosine of each target to each item of the history."""
        vectors, back_off = self._fitted()
        similar = (vectors[targets] @ vectors[history.items].T).toarray()
        weights = event_weights(history, self.decay)
        return Evidence(similar.astype(np.float64) * weights, back_off[targets].astype(np.float64))


def tfidf_vectors(texts: list[str]) -> sparse.csr_array:
    """(N, words) sparse float32 unit vectors of `texts`; a text without words gives zeros."""
    vocabulary: dict[str, int] = {}
    rows, columns = [], []
    for row, text in enumerate(texts):
        for word in dict.fromkeys(_WORD.findall(text.lower())):
            rows.append(row)
            columns.append(vocabulary.setdefault(word, len(vocabulary)))
    frequency = np.bincount(columns, minlength=len(vocabulary))
    weights = np.log(len(texts) / frequency)[columns] if columns else np.empty(0)
    shape = (len(texts), len(vocabulary))
    matrix = sparse.csr_array((weights, (rows, columns)), shape=shape)
    norms = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    units = sparse.diags_array(1.0 / np.where(norms > 0, norms, 1.0)) @ matrix
    return sparse.csr_array(units, dtype=np.float32)
