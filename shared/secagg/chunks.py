"""Vectors in pieces: sending without a copy, receiving into memory that was set aside once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from shared.secagg.errors import UploadError
from shared.secagg.fixed_point import ring_dtype
from shared.secagg.masks import Ring
from shared.secagg.policy import SessionPolicy

CHUNK_BYTES: Final = 1 << 20


def chunks(vector: Ring, size: int = CHUNK_BYTES) -> Iterator[memoryview]:
    """Views of `size` bytes on a contiguous vector, the last one shorter."""
    view = memoryview(vector.view(np.uint8).data)
    for start in range(0, len(view), size):
        yield view[start : start + size]


class VectorBuffer:
    """One vector being received, of exactly the policy's length; used again after `clear`."""

    def __init__(self, policy: SessionPolicy) -> None:
        self._vector: Ring = np.zeros(policy.length, ring_dtype(policy.ring_bits))
        self._bytes = memoryview(self._vector.view(np.uint8).data)
        self._filled = 0

    def write(self, chunk: bytes | memoryview) -> None:
        """Append a piece.

        Raises
        ------
        UploadError
            More bytes than the vector has; nothing of the piece is kept.
        """
        end = self._filled + len(chunk)
        if end > len(self._bytes):
            raise UploadError(f"{end} bytes received, expected {len(self._bytes)}")
        self._bytes[self._filled : end] = chunk
        self._filled = end

    def vector(self) -> Ring:
        """The whole vector.

        Raises
        ------
        UploadError
            Some bytes are still missing.
        """
        if self._filled != len(self._bytes):
            raise UploadError(f"{self._filled} bytes received, expected {len(self._bytes)}")
        return self._vector

    def clear(self) -> None:
        """Forget what was received."""
        self._filled = 0
