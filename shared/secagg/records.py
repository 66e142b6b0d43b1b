"""The signed records of each stage: layouts and sizes.

========= ======================================================================================
ADVERT    nonce(16) plan(32) model(32) channel key(32) mask key(32) [2 ML-KEM keys(1184 each)]
SHARE     to(2) commitment(32) hashes(64) [2 ML-KEM ciphertexts(1088 each) hash(32)] sealed(112)
WRAP      sealed ML-KEM secrets of the dealer (hybrid only), opened if it drops
UPLOAD    sharers(32) vector digest(32) audit commitment(32) masked words(8 each) masked tags
COMPLAINT accused(2) digest of the SHARE record(32)
SURVIVORS sharers(32) survivors(32)
REVEAL    survivors(32) one share(32) for each sharer
========= ======================================================================================
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from shared.secagg.codec import BITMAP_BYTES, RECORD_BYTES, Reader
from shared.secagg.policy import SessionPolicy
from shared.secagg.shamir import SHARE_BYTES

NONCE_BYTES: Final = 16
KEM_KEY_BYTES: Final = 1184
KEM_CIPHERTEXT_BYTES: Final = 1088
AEAD_TAG_BYTES: Final = 16
HASH_BYTES: Final = 32
SEALED_BYTES: Final = 3 * SHARE_BYTES + AEAD_TAG_BYTES
SURVIVORS_BYTES: Final = 2 * BITMAP_BYTES
COMPLAINT_BYTES: Final = 2 + HASH_BYTES
WORD_TAG_BYTES: Final = 16


def advert_bytes(policy: SessionPolicy) -> int:
    """Payload bytes of an advert."""
    return NONCE_BYTES + 4 * HASH_BYTES + (2 * KEM_KEY_BYTES if policy.suite.hybrid else 0)


def share_bytes(policy: SessionPolicy) -> int:
    """Payload bytes of one share envelope."""
    kem = 2 * KEM_CIPHERTEXT_BYTES + HASH_BYTES if policy.suite.hybrid else 0
    return 2 + 3 * HASH_BYTES + kem + SEALED_BYTES


def wrap_bytes(members: int) -> int:
    """Payload bytes of a wrap record in a cohort of `members`."""
    return HASH_BYTES * (members - 1) + AEAD_TAG_BYTES


def words_bytes(policy: SessionPolicy) -> int:
    """Bytes of the words and tags that travel beside a vector."""
    return 8 * (len(policy.word_limits) + policy.tag_words) + WORD_TAG_BYTES


def upload_bytes(policy: SessionPolicy) -> int:
    """Payload bytes of an upload header."""
    return BITMAP_BYTES + 2 * HASH_BYTES + words_bytes(policy)


def reveal_bytes(sharers: int) -> int:
    """Payload bytes of a reveal."""
    return BITMAP_BYTES + SHARE_BYTES * sharers


def result_bytes(policy: SessionPolicy) -> int:
    """Payload bytes of a published result."""
    return BITMAP_BYTES + words_bytes(policy)


def record_bytes(payload: int) -> int:
    """Bytes of a whole record with `payload` bytes of payload."""
    return RECORD_BYTES + payload


@dataclass(frozen=True, slots=True)
class Advert:
    """Public keys of one partner for one session; the ML-KEM keys are empty outside the hybrid."""

    nonce: bytes
    plan_hash: bytes
    model_hash: bytes
    channel_key: bytes
    mask_key: bytes
    channel_kem: bytes = b""
    mask_kem: bytes = b""

    def encode(self) -> bytes:
        """Payload bytes."""
        head = self.nonce + self.plan_hash + self.model_hash
        return head + self.channel_key + self.mask_key + self.channel_kem + self.mask_kem

    @classmethod
    def parse(cls, payload: bytes, policy: SessionPolicy) -> Advert:
        """Read a payload of `advert_bytes`."""
        reader = Reader(payload)
        kem = KEM_KEY_BYTES if policy.suite.hybrid else 0
        fields = (NONCE_BYTES, HASH_BYTES, HASH_BYTES, HASH_BYTES, HASH_BYTES, kem, kem)
        advert = cls(*(reader.take(size) for size in fields))
        reader.finish()
        return advert

    def public_keys(self) -> tuple[bytes, ...]:
        """All keys that must be unique in a roster."""
        keys = (self.channel_key, self.mask_key, self.channel_kem, self.mask_kem)
        return tuple(key for key in keys if key)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One dealer's shares for one holder.

    `secret_hash` commits to the dealer's self-mask secret and is the same in all its envelopes;
    `self_hash` and `mask_hash` commit to the two sealed shares.
    """

    holder: int
    secret_hash: bytes
    self_hash: bytes
    mask_hash: bytes
    channel_ciphertext: bytes
    mask_ciphertext: bytes
    kem_hash: bytes
    sealed: bytes

    def public_part(self) -> bytes:
        """Everything but the sealed shares; authenticated together with them."""
        hashes = self.secret_hash + self.self_hash + self.mask_hash
        kem = self.channel_ciphertext + self.mask_ciphertext + self.kem_hash
        return struct.pack("<H", self.holder) + hashes + kem

    def encode(self) -> bytes:
        """Payload bytes."""
        return self.public_part() + self.sealed

    @classmethod
    def parse(cls, payload: bytes, policy: SessionPolicy) -> Envelope:
        """Read a payload of `share_bytes`."""
        reader = Reader(payload)
        holder = reader.number(2)
        kem = policy.suite.hybrid
        ciphertext = KEM_CIPHERTEXT_BYTES if kem else 0
        sizes = (HASH_BYTES,) * 3 + (ciphertext, ciphertext, HASH_BYTES if kem else 0, SEALED_BYTES)
        envelope = cls(holder, *(reader.take(size) for size in sizes))
        reader.finish()
        return envelope


@dataclass(frozen=True, slots=True)
class UploadHeader:
    """What is signed with a masked vector; `words` are the masked words, tags and word tag."""

    sharers: bytes
    vector_digest: bytes
    commitment: bytes
    words: bytes

    def encode(self) -> bytes:
        """Payload bytes."""
        return self.sharers + self.vector_digest + self.commitment + self.words

    @classmethod
    def parse(cls, payload: bytes, policy: SessionPolicy) -> UploadHeader:
        """Read a payload of `upload_bytes`."""
        reader = Reader(payload)
        sizes = (BITMAP_BYTES, HASH_BYTES, HASH_BYTES, words_bytes(policy))
        header = cls(*(reader.take(size) for size in sizes))
        reader.finish()
        return header
