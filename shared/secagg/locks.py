"""One-use locks: what keeps a node from serving the same round twice, across crashes.

A lock holds, for one round, the attempt, the advert, roster, upload and survivor set that the node
committed to, and whether the sum was opened. It is stored durably *before* the message that it
guards leaves. The same message can be sent again; another one cannot.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from shared.secagg.errors import (
    LockStoreError,
    RoundUsedError,
    SecondRosterError,
    SecondSurvivorSetError,
    SecondUploadError,
)
from shared.secagg.hashing import digest

_UNSET: Final = bytes(32)
_LAYOUT: Final = struct.Struct("<4sHB32s32s32s32s")
_MARKER: Final = b"ISL1"
_CHECK_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLock:
    """What a node has committed to in one round; every field is a SHA-256 digest, zero if unset."""

    attempt: int
    advert: bytes
    roster: bytes = _UNSET
    upload: bytes = _UNSET
    survivors: bytes = _UNSET
    revealed: bool = False

    def with_roster(self, roster: bytes) -> RoundLock:
        """Commit to a roster, once."""
        if self.roster not in (_UNSET, roster):
            raise SecondRosterError("this attempt already has another roster")
        return replace(self, roster=roster)

    def with_upload(self, upload: bytes) -> RoundLock:
        """Commit to an upload, once: two under the same masks would reveal their difference."""
        if self.upload not in (_UNSET, upload):
            raise SecondUploadError("this attempt already has another upload")
        return replace(self, upload=upload)

    def with_survivors(self, survivors: bytes) -> RoundLock:
        """Commit to a survivor set, once."""
        if self.survivors not in (_UNSET, survivors):
            raise SecondSurvivorSetError("another survivor set was already signed")
        return replace(self, survivors=survivors)

    def with_reveal(self) -> RoundLock:
        """Close the round: no later attempt is served."""
        return replace(self, revealed=True)

    def encode(self) -> bytes:
        """Fixed layout with a checksum."""
        body = _LAYOUT.pack(
            _MARKER,
            self.attempt,
            self.revealed,
            self.advert,
            self.roster,
            self.upload,
            self.survivors,
        )
        return body + digest("lock", body)

    @classmethod
    def parse(cls, raw: bytes) -> RoundLock:
        """Read `encode`'s bytes.

        Raises
        ------
        LockStoreError
            Damaged; the round stays closed.
        """
        body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
        if len(body) != _LAYOUT.size or digest("lock", body) != check:
            raise LockStoreError(f"damaged lock of {len(raw)} bytes")
        marker, attempt, revealed, advert, roster, upload, survivors = _LAYOUT.unpack(body)
        if marker != _MARKER:
            raise LockStoreError(f"lock of version {marker!r}")
        return cls(
            attempt=attempt,
            advert=advert,
            roster=roster,
            upload=upload,
            survivors=survivors,
            revealed=bool(revealed),
        )


def start(previous: RoundLock | None, attempt: int, advert: bytes) -> RoundLock:
    """The lock of an attempt, given the round's lock so far.

    Raises
    ------
    RoundUsedError
        The round was opened, or this attempt (with another advert) or a later one was started.
    """
    fresh = RoundLock(attempt=attempt, advert=advert)
    if previous is None:
        return fresh
    if previous.revealed and not (previous.attempt == attempt and previous.advert == advert):
        raise RoundUsedError("the sum of this round was already opened")
    if attempt == previous.attempt and advert == previous.advert:
        return previous
    if attempt <= previous.attempt:
        raise RoundUsedError(f"attempt {attempt} after attempt {previous.attempt}")
    return fresh


class LockStore(Protocol):
    """Durable storage of locks by 20-byte round key."""

    def read(self, key: bytes) -> bytes | None:
        """Stored bytes, or None."""

    def swap(self, key: bytes, old: bytes | None, new: bytes) -> None:
        """Replace `old` by `new` durably and atomically.

        Raises
        ------
        LockStoreError
            Storage failed, or holds something other than `old`.
        """


class MemoryLockStore:
    """Locks in memory: for simulations and tests, where no process restarts."""

    def __init__(self) -> None:
        self._locks: dict[bytes, bytes] = {}

    def read(self, key: bytes) -> bytes | None:
        """Stored bytes, or None."""
        return self._locks.get(key)

    def swap(self, key: bytes, old: bytes | None, new: bytes) -> None:
        """Replace `old` by `new`."""
        if self._locks.get(key) != old:
            raise LockStoreError("the lock was changed by someone else")
        self._locks[key] = new


class FileLockStore:
    """Locks as files of one directory, synced to disk before `swap` returns.

    Parameters
    ----------
    directory
        Created with mode 0700 if missing; one file per round and one for mutual exclusion.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LockStoreError(str(error), where=str(directory)) from error

    def read(self, key: bytes) -> bytes | None:
        """Stored bytes, or None."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LockStoreError(str(error), where=str(path)) from error

    def swap(self, key: bytes, old: bytes | None, new: bytes) -> None:
        """Replace `old` by `new`; on return it has reached the disk."""
        path = self._path(key)
        try:
            with self._exclusive():
                if self.read(key) != old:
                    raise LockStoreError("the lock was changed by someone else", where=str(path))
                self._write(path, new)
        except OSError as error:
            raise LockStoreError(str(error), where=str(path)) from error

    def _path(self, key: bytes) -> Path:
        return self._directory / f"{key.hex()}.lock"

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        handle = os.open(self._directory / ".mutex", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_suffix(".new")
        handle = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            if os.write(handle, content) != len(content):
                raise LockStoreError("the disk took only a part", where=str(path))
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, path)
        self._sync_directory()

    def _sync_directory(self) -> None:
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
