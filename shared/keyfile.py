"""A long-term Ed25519 identity in a file that only its owner can read."""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.errors import ConfigError
from shared.files import write_atomically


class IdentityFileError(ConfigError):
    """The identity key file is missing, readable by others, or not an Ed25519 key."""

    code = "CFG-010"


def create_identity(path: Path) -> Ed25519PrivateKey:
    """Make a new identity and store it with mode 0600.

    Raises
    ------
    IdentityFileError
        There is one already; an identity is never overwritten.
    """
    if path.exists():
        raise IdentityFileError("an identity exists already", where=str(path), remedy="keep it")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_atomically(path, pem, private=True)
    return key


def load_identity(path: Path) -> Ed25519PrivateKey:
    """Read an identity.

    Raises
    ------
    IdentityFileError
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        pem = path.read_bytes()
    except OSError as error:
        raise IdentityFileError(str(error), where=str(path)) from error
    if mode & 0o077:
        raise IdentityFileError(f"mode {mode:04o}", where=str(path), remedy=f"chmod 600 {path}")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise IdentityFileError("not a private key in PEM form", where=str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityFileError("not an Ed25519 key", where=str(path))
    return key


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of the public key."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
