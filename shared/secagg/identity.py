"""A partner's long-term signing identity (Ed25519, RFC 8032)."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.secagg.hashing import PROTOCOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A partner id (1 to 65535) with its private key; peers pin `public_bytes`."""

    partner: int
    key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, partner: int) -> Identity:
        """A new identity from the operating system's generator."""
        return cls(partner=partner, key=Ed25519PrivateKey.generate())

    @property
    def public_bytes(self) -> bytes:
        """The 32 bytes that peers pin."""
        return self.key.public_key().public_bytes_raw()

    def sign(self, record: bytes) -> bytes:
        """64-byte signature on `record`, separated from every other protocol's."""
        return self.key.sign(PROTOCOL + record)


def verifies(public: bytes, signature: bytes, record: bytes) -> bool:
    """Whether `signature` on `record` is of the pinned key `public`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, PROTOCOL + record)
    except InvalidSignature:
        return False
    return True
