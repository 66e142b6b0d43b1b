"""API keys: made once, shown once, kept only as hashes.

A key is ``isthmus_NAME_SECRET`` with 32 random bytes as secret, so its SHA-256 cannot be turned
back and needs no slow hash. Comparison takes the same time whatever the key.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import stat
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from clients.home import NodeHome
from clients.serving.errors import KeyFileError, UnknownKeyNameError
from shared.config import StrictModel
from shared.files import write_atomically
from shared.hashing import Digest

Role = Literal["serve", "feedback", "admin"]
PREFIX: Final = "isthmus"
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
_NOBODY: Final = "0" * 64


def key_file(home: NodeHome) -> Path:
    """Where a node keeps its API keys."""
    return home.serving_keys / "keys.json"


class ApiKey(StrictModel):
    """What is kept of a key."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    role: Role
    """`serve`: recommendations, profiles, similar items; `feedback`: events and reactions;
    `admin`: everything, erasure and model changes included."""
    created: str
    sha256: Digest


class ApiKeys:
    """The keys of a node, in one file with mode 0600; changes are seen without a restart.

    Parameters
    ----------
    path
        The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def all(self) -> list[ApiKey]:
        """Every key, by name.

        Raises
        ------
        KeyFileError
        """
        self._refresh()
        return [self._keys[name] for name in sorted(self._keys)]

    def add(self, name: str, role: Role) -> str:
        """Make a key and return it; it cannot be shown again.

        Raises
        ------
        UnknownKeyNameError
            The name is taken or not made of lower case letters, digits and hyphens.
        """
        self._refresh()
        if not _NAME.fullmatch(name):
            remedy = "lower case letters, digits and hyphens"
            raise UnknownKeyNameError(f"{name!r} is no name of a key", remedy=remedy)
        if name in self._keys:
            remedy = f"isthmus-node keys revoke {name}, or choose another name"
            raise UnknownKeyNameError(f"there is a key {name!r}", remedy=remedy)
        secret = f"{PREFIX}_{name}_{secrets.token_urlsafe(32)}"
        created = datetime.now(UTC).isoformat(timespec="seconds")
        self._keys[name] = ApiKey(name=name, role=role, created=created, sha256=_hashed(secret))
        self._write()
        return secret

    def revoke(self, name: str) -> None:
        """Forget a key; requests with it are refused from now on.

        Raises
        ------
        UnknownKeyNameError
        """
        self._refresh()
        if name not in self._keys:
            there = ", ".join(sorted(self._keys)) or "none"
            raise UnknownKeyNameError(f"no key {name!r}", remedy=f"there: {there}")
        del self._keys[name]
        self._write()

    def of(self, secret: str) -> ApiKey | None:
        """The key that `secret` is, or None.

        Raises
        ------
        KeyFileError
        """
        self._refresh()
        parts = secret.split("_", 2)
        known = self._keys.get(parts[1]) if len(parts) == 3 else None
        expected = known.sha256 if known else _NOBODY
        return known if hmac.compare_digest(_hashed(secret), expected) else None

    def _refresh(self) -> None:
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            self._keys, self._seen = {}, None
            return
        if self._seen == (facts.st_mtime_ns, facts.st_ino):
            return
        where = str(self._path)
        if mode := stat.S_IMODE(facts.st_mode) & 0o077:
            raise KeyFileError(f"mode {mode:04o}", where=where, remedy=f"chmod 600 {where}")
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            keys = [ApiKey.model_validate(row) for row in rows]
        except (OSError, ValueError, TypeError, ValidationError) as error:
            problem = "not a list of API keys"
            raise KeyFileError(problem, where=where, remedy="restore it") from error
        self._keys = {key.name: key for key in keys}
        self._seen = (facts.st_mtime_ns, facts.st_ino)

    def _write(self) -> None:
        rows = [self._keys[name].model_dump() for name in sorted(self._keys)]
        write_atomically(self._path, json.dumps(rows, indent=1).encode(), private=True)


def _hashed(secret: str) -> str:
    return sha256(secret.encode("utf-8", "replace")).hexdigest()
