"""Injective hashing of several byte strings.

SHA-256 over length-prefixed parts: two different lists of parts never give the same input.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Annotated

from pydantic import Field

DIGEST_BYTES = 32
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A digest in a file or message: 64 lower-case hexadecimal digits."""


def digest(label: str, *parts: bytes | memoryview) -> bytes:
    """SHA-256 over `label` and `parts`, each prefixed by its length (32 bytes)."""
    state = hashlib.sha256()
    for part in (label.encode(), *parts):
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        state.update(struct.pack("<Q", size))
        state.update(part)
    return state.digest()
