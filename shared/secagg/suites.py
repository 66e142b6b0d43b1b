"""Cipher suites, and the seekable keystreams that masks are made of.

The AES keystream of a masked vector is cut into segments: block i of segment s is AES-256 of ``s``
(96 bits) and ``2 + i`` (32 bits), big-endian. That is the counter of AES-GCM (NIST SP 800-38D), so
it can be had from either mode of the cipher library; on processors with vector AES the fused GCM
code is a third faster than plain counter mode even though it computes a tag that nobody reads. The
faster one is found out once, when it is first needed; the bytes are the same.
"""

from __future__ import annotations

import time
from enum import IntEnum
from functools import cache
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEYSTREAM_ALIGN: Final = 64
"""Byte offsets to which a keystream can seek: whole blocks of either cipher."""
SEGMENT_BYTES: Final = 1 << 21
"""Length of a segment: long against the set-up of a cipher, short enough to share among threads."""
_FIRST_COUNTER: Final = 2
_PROBE: Final = bytes(1 << 16)


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


def keystream(suite: Suite, key: bytes) -> Keystream:
    """Keystream of a 32-byte `key` for short values. One key, one stream."""
    if suite.chacha:
        return _chacha(key, 0)
    return Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()


def mask_keystream(suite: Suite, key: bytes, offset: int = 0) -> Keystream:
    """Keystream that masks a vector, from byte `offset` to the end of its segment at most.

    Parameters
    ----------
    key
        32 bytes, of this vector and nothing else.
    offset
        A multiple of `KEYSTREAM_ALIGN`.
    """
    if suite.chacha:
        return _chacha(key, offset)
    segment, inside = divmod(offset, SEGMENT_BYTES)
    if inside == 0 and _gcm_is_faster():
        return _aes_gcm(key, segment)
    return _aes_ctr(key, segment, inside)


def expand(suite: Suite, key: bytes, length: int) -> bytes:
    """The first `length` bytes of the keystream of `key`."""
    return keystream(suite, key).update(bytes(length))


def _chacha(key: bytes, offset: int) -> Keystream:
    counter = (offset // 64).to_bytes(8, "little")
    return Cipher(algorithms.ChaCha20(key, counter + bytes(8)), mode=None).encryptor()


def _aes_gcm(key: bytes, segment: int) -> Keystream:
    nonce = segment.to_bytes(12, "big")
    return Cipher(algorithms.AES256(key), modes.GCM(nonce)).encryptor()


def _aes_ctr(key: bytes, segment: int, inside: int) -> Keystream:
    counter = (_FIRST_COUNTER + inside // 16).to_bytes(4, "big")
    return Cipher(
        algorithms.AES256(key), modes.CTR(segment.to_bytes(12, "big") + counter)
    ).encryptor()


@cache
def _gcm_is_faster() -> bool:
    """Whether this machine runs GCM faster than counter mode: the best of three short probes."""
    return _probe(_aes_gcm(bytes(32), 0)) < _probe(_aes_ctr(bytes(32), 0, 0))


def _probe(stream: Keystream) -> float:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        stream.update(_PROBE)
        times.append(time.perf_counter() - began)
    return min(times)
