"""What every text encoder offers, and the fingerprint by which partners agree on one.

Two platforms can only share a model if they map the same text to the same vector. The fingerprint
covers everything that decides that mapping: the weight files and the version of what is done to a
text before and after them. It is part of the plan and checked before an encoder is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float32s = NDArray[np.float32]


class TextEncoder(Protocol):
    """A frozen map from texts to vectors, the same at every node."""

    @property
    def name(self) -> str:
        """Name under which it is registered."""

    @property
    def version(self) -> str:
        """Version of weights and preprocessing together."""

    @property
    def dim(self) -> int:
        """Length d of a vector."""

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits; equal fingerprints mean comparable vectors."""

    def encode(self, texts: Sequence[str]) -> Float32s:
        """Encode N texts as (N, d) float32; an empty text is a zero vector."""


def fingerprint_of(name: str, version: str, file_hashes: Mapping[str, str]) -> str:
    """sha256 over an encoder's name, version and the hashes of its weight files."""
    lines = [name, version, *(f"{path} {digest}" for path, digest in sorted(file_hashes.items()))]
    return sha256("\n".join(lines).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, read in pieces."""
    digest = sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def encode_present(texts: Sequence[str], dim: int, encode: _Encode) -> Float32s:
    """Apply `encode` to the texts that are not blank; blank ones stay zero vectors."""
    present = [row for row, text in enumerate(texts) if text.strip()]
    vectors = np.zeros((len(texts), dim), dtype=np.float32)
    if present:
        vectors[present] = encode([texts[row] for row in present])
    return vectors


class _Encode(Protocol):
    def __call__(self, texts: list[str], /) -> Float32s: ...
