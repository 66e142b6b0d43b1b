"""Keyed pseudonyms: HMAC-SHA256 of the user id, cut to 128 bits.

Without the key a pseudonym can neither be computed from a user id nor traced back by trying all
ids; two platforms with different keys cannot match their users. The key never leaves the node.
Cut to 128 bits (RFC 2104, section 5), ten million users collide with a chance below 1e-24.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NoReturn, final

from clients.data.errors import PseudonymKeyError

KEY_BYTES: Final = 32
PSEUDONYM_BYTES: Final = 16
_BLOCK_BYTES: Final = 64
_PURPOSE: Final = b"isthmus/user/1\0"
_IDENTITY: Final = b"isthmus/key/1\0"


@final
class PseudonymKey:
    """A platform's pseudonym key; never printed, never pickled.

    Parameters
    ----------
    secret
        32 bytes from a cryptographic generator.

    Raises
    ------
    PseudonymKeyError
        `secret` has another length.
    """

    __slots__ = ("_inner", "_outer", "_secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise PseudonymKeyError(
                f"a pseudonym key has {KEY_BYTES} bytes, this one {len(secret)}",
                remedy="create one with PseudonymKey.generate()",
            )
        self._secret = secret
        block = secret.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    @classmethod
    def generate(cls) -> PseudonymKey:
        """A fresh key from the operating system's generator."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def load(cls, path: Path) -> PseudonymKey:
        """Read a key file.

        Raises
        ------
        PseudonymKeyError
            The file is missing, damaged, or readable by anyone but its owner.
        """
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read(4 * KEY_BYTES)
        except OSError as error:
            raise PseudonymKeyError(
                f"cannot read the key: {error.strerror}", where=str(path)
            ) from error
        if mode & 0o077:
            raise PseudonymKeyError(
                f"the key file has mode {mode:04o}, so others can read it",
                where=str(path),
                remedy=f"chmod 600 {path}; if others had access, make a new key",
            )
        return cls(_decoded(text, path))

    def save(self, path: Path) -> None:
        """Write a new key file with mode 0600.

        Raises
        ------
        PseudonymKeyError
            The file exists (a key that is in use must not be overwritten) or cannot be written.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._secret.hex().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise PseudonymKeyError(
                f"cannot write the key: {error.strerror}", where=str(path)
            ) from error

    @property
    def key_id(self) -> str:
        """Eight hexadecimal digits that tell keys apart and disclose nothing of them."""
        return self._mac(_IDENTITY).hex()[:8]

    def digest(self, user_id: bytes) -> bytes:
        """The pseudonym of a user id (UTF-8) as 16 bytes."""
        return self._mac(_PURPOSE + user_id)

    def digests(self, user_ids: Iterable[bytes]) -> list[bytes]:
        """The pseudonyms of many user ids, about a million a second."""
        purpose = self._inner.copy()
        purpose.update(_PURPOSE)
        found = []
        for user_id in user_ids:
            inner, outer = purpose.copy(), self._outer.copy()
            inner.update(user_id)
            outer.update(inner.digest())
            found.append(outer.digest()[:PSEUDONYM_BYTES])
        return found

    def pseudonym(self, user_id: str) -> str:
        """The pseudonym of a user id as 32 hexadecimal digits."""
        return self.digest(user_id.encode()).hex()

    def _mac(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()[:PSEUDONYM_BYTES]

    def __repr__(self) -> str:
        return f"PseudonymKey(key_id={self.key_id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a pseudonym key must not be pickled or copied")


def _decoded(text: bytes, path: Path) -> bytes:
    try:
        secret = bytes.fromhex(text.decode("ascii").strip())
    except ValueError as error:
        raise PseudonymKeyError(
            "the key file is not hexadecimal", where=str(path), remedy="restore it from a backup"
        ) from error
    if len(secret) != KEY_BYTES:
        raise PseudonymKeyError(
            f"the key file holds {len(secret)} bytes instead of {KEY_BYTES}",
            where=str(path),
            remedy="restore it from a backup",
        )
    return secret
