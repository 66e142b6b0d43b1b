"""An encoder without weights: signed feature hashing of words and their pieces.

Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (ICML 2009); pieces of words
as in fastText (Bojanowski et al., TACL 2017). It needs no package, encodes ten thousand titles a
second and knows nothing of meaning: for tests, very large catalogues and scripts of any language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from shared.models.encoders.base import Float32s, encode_present, fingerprint_of

SEED: Final = 0x15788
"""Public constant that every node hashes with."""

WORD_WEIGHT: Final = 1.0
PIECE_WEIGHT: Final = 0.35
PIECE_LENGTHS: Final = (3, 4)

_WORD: Final = re.compile(r"\w+")
_Features = tuple[NDArray[np.int64], Float32s]


class HashedWords:
    """Hashed words, word pairs and character n-grams: (N,) texts to (N, dim) unit vectors."""

    name: Final = "hashed-words"
    version: Final = "1"
    dim: Final = 512

    def __init__(self) -> None:
        self._known: dict[str, _Features] = {}

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over name, version and every public constant."""
        version = f"{self.version} {SEED} {WORD_WEIGHT} {PIECE_WEIGHT} {PIECE_LENGTHS} {self.dim}"
        return fingerprint_of(self.name, version, {})

    def encode(self, texts: Sequence[str]) -> Float32s:
        """Encode N texts as (N, dim) float32; a text without a word is a zero vector."""
        return encode_present(texts, self.dim, self._encode)

    def _encode(self, texts: list[str]) -> Float32s:
        vectors = np.stack([self._sum_of_features(text) for text in texts])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)

    def _sum_of_features(self, text: str) -> NDArray[np.float64]:
        words = _WORD.findall(text.casefold())
        pairs = [f"{first} {second}" for first, second in pairwise(words)]
        features = [self._features(token) for token in dict.fromkeys([*words, *pairs])]
        if not features:
            return np.zeros(self.dim)
        places, weights = (np.concatenate(column) for column in zip(*features, strict=True))
        total = np.bincount(places, weights=weights, minlength=self.dim)
        return np.asarray(total, dtype=np.float64)

    def _features(self, token: str) -> _Features:
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = _hash(_pieces(token), self.dim)
        return known


def _pieces(token: str) -> list[tuple[str, float]]:
    """Return the token itself and, for a single word, its character n-grams, each with a weight."""
    pieces = [(token, WORD_WEIGHT)]
    if " " not in token:
        framed = f"<{token}>"
        for length in PIECE_LENGTHS:
            grams = [framed[at : at + length] for at in range(len(framed) - length + 1)]
            pieces += [(f"#{gram}", PIECE_WEIGHT) for gram in grams]
    return pieces


def _hash(pieces: list[tuple[str, float]], dim: int) -> _Features:
    codes = np.array([crc32(text.encode(), SEED) for text, _ in pieces], dtype=np.uint64)
    mixed = (codes * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)  # crc32 alone mixes poorly
    signs = np.where(mixed & np.uint64(1), 1.0, -1.0)
    weights = np.array([weight for _, weight in pieces])
    places = (mixed >> np.uint64(1)) % np.uint64(dim)
    return places.astype(np.int64), (signs * weights).astype(np.float32)
