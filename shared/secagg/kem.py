"""ML-KEM-768 (FIPS 203) for the hybrid suites; nothing here runs in the others."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from shared.secagg.errors import WeakKeyError
from shared.secagg.hashing import derive


def private_key(secret: bytes, label: str, *info: bytes) -> MLKEM768PrivateKey:
    """Key pair from a labelled 64-byte seed."""
    return MLKEM768PrivateKey.from_seed_bytes(derive(secret, label, *info, length=64))


def public_bytes(key: MLKEM768PrivateKey) -> bytes:
    """1184-byte encapsulation key."""
    return key.public_key().public_bytes_raw()


def load(public: bytes, partner: int) -> MLKEM768PublicKey:
    """Encapsulation key of a partner.

    Raises
    ------
    WeakKeyError
        The bytes are no ML-KEM-768 key.
    """
    try:
        return MLKEM768PublicKey.from_public_bytes(public)
    except ValueError as error:
        raise WeakKeyError(f"partner {partner} sent no ML-KEM-768 key", partner=partner) from error


def encapsulate(public: bytes, partner: int) -> tuple[bytes, bytes]:
    """Fresh (secret of 32 bytes, ciphertext of 1088 bytes) for a partner's key."""
    return load(public, partner).encapsulate()
