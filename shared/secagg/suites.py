"""Cipher suites and the seekable keystream that masks are made of."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEYSTREAM_ALIGN: Final = 64
"""Byte offsets to which a keystream can seek: whole blocks of either cipher."""


class Suite(IntEnum):
    """What a policy may choose; all partners of a session use the same one."""

    X25519_AES256 = 1
    """X25519 and AES-256-CTR masks: the default, for processors with AES instructions."""
    X25519_CHACHA20 = 2
    """X25519 and ChaCha20 masks, for processors without them."""
    HYBRID_AES256 = 3
    """X25519 and ML-KEM-768 (FIPS 203) together; safe while either holds."""
    HYBRID_CHACHA20 = 4
    """The hybrid with ChaCha20 masks."""

    @property
    def hybrid(self) -> bool:
        """Whether keys are agreed with ML-KEM-768 as well."""
        return self in (Suite.HYBRID_AES256, Suite.HYBRID_CHACHA20)

    @property
    def chacha(self) -> bool:
        """Whether masks are ChaCha20 keystreams."""
        return self in (Suite.X25519_CHACHA20, Suite.HYBRID_CHACHA20)


class Keystream(Protocol):
    """The part of a cipher context that masking needs."""

    def update(self, data: bytes, /) -> bytes:
        """Encrypt `data`."""

    def update_into(self, data: memoryview, buf: memoryview, /) -> int:
        """Encrypt `data` into `buf`."""


def keystream(suite: Suite, key: bytes, offset: int = 0) -> Keystream:
    """Keystream of a 32-byte `key` from byte `offset`, a multiple of 64. One key, one stream."""
    if suite.chacha:
        counter = (offset // 64).to_bytes(8, "little")
        return Cipher(algorithms.ChaCha20(key, counter + bytes(8)), mode=None).encryptor()
    counter = (offset // 16).to_bytes(16, "big")
    return Cipher(algorithms.AES256(key), modes.CTR(counter)).encryptor()


def expand(suite: Suite, key: bytes, length: int) -> bytes:
    """The first `length` bytes of the keystream of `key`."""
    return keystream(suite, key).update(bytes(length))
