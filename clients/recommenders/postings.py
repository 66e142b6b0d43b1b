"""The items that have a word: what TF-IDF looks up instead of scoring the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy import sparse

from clients.data.dataset import Int64s
from clients.recommenders.base import Float32s
from clients.recommenders.lookup import Base, summed

READ: Final = 200_000
"""Most entries of words that are looked up for a user, the rarest words first: what common words
alone say is too little to make an item a candidate."""


@dataclass(frozen=True, slots=True)
class Postings:
    """Everything about N items' words that does not depend on a user.

    Attributes
    ----------
    by_word
        (N, words) item vectors, word by word.
    word_totals
        (words,) sum of the items' weights of each word.
    base
        Score of an item without a shared word.
    """

    by_word: sparse.csc_array
    word_totals: Float32s
    base: Base

    @classmethod
    def of(cls, vectors: sparse.csr_array, base: Float32s) -> Self:
        """Turn (N, words) item vectors around."""
        totals = np.asarray(vectors.sum(axis=0), dtype=np.float32)
        return cls(vectors.tocsc(), totals, Base.of(base))


@dataclass(frozen=True, slots=True)
class TextLookup:
    """See `Lookup`.

    Attributes
    ----------
    vectors
        (N, words) item vectors.
    postings
        The same by word.
    words, weights
        (W,) the profile of one user.
    """

    vectors: sparse.csr_array
    postings: Postings
    words: Int64s
    weights: Float32s

    @property
    def total(self) -> float:
        """Sum of the scores over the catalogue."""
        shared = self.weights.astype(np.float64) @ self.postings.word_totals[self.words]
        return self.postings.base.total + float(shared)

    def strongest(self) -> tuple[Int64s, Float32s]:
        """Items with the profile's rarer words."""
        by_word = self.postings.by_word
        lengths = by_word.indptr[self.words + 1] - by_word.indptr[self.words]
        order = np.argsort(lengths, kind="stable")
        order = order[np.cumsum(lengths[order]) <= READ]
        if not len(order):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        parts = [slice(*by_word.indptr[word : word + 2]) for word in self.words[order]]
        items = np.concatenate([by_word.indices[part] for part in parts])
        values = [w * by_word.data[p] for w, p in zip(self.weights[order], parts, strict=True)]
        return summed(items, np.concatenate(values))

    def at(self, items: Int64s) -> Float32s:
        """(K,) scores of `items`."""
        profile = np.zeros(self.vectors.shape[1], dtype=np.float32)
        profile[self.words] = self.weights
        return np.asarray(self.vectors[items] @ profile + self.postings.base.scores[items])
