"""An append-only, hash-chained file of JSON lines that survives being killed at any moment.

Each line holds the hash of the line before it and its own. A line counts once it is complete; a
torn last line is the trace of a crash before the write was durable and is dropped. A second file
next to it (``.head``) holds the number and hash of the last durable line, so that whole lines cut
from the end are noticed as well. Deleting both consistently is noticed by whoever was told the head
(a receipt).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.files import read_json, sync_directory, write_atomically
from shared.privacy.errors import LedgerCorruptError

GENESIS = "0" * 64

Entry = dict[str, Any]


class Journal:
    """Lines of one file; several processes may hold it, one at a time writes.

    Parameters
    ----------
    path
        The file; created with its first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._head_path = path.with_name(path.name + ".head")
        self._entries: list[Entry] = []
        self._read = 0

    @property
    def head(self) -> str:
        """Hash of the last line (hex); zeros before the first."""
        return str(self._entries[-1]["hash"]) if self._entries else GENESIS

    @property
    def length(self) -> int:
        """Number of lines."""
        return len(self._entries)

    @contextmanager
    def locked(self) -> Iterator[list[Entry]]:
        """All lines, up to date, while no other process can write.

        Raises
        ------
        LedgerCorruptError
            The chain is broken or shorter than it was.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        created = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if created:
                sync_directory(self.path.parent)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._catch_up(descriptor)
            yield self._entries
        finally:
            os.close(descriptor)

    def append(self, fields: Entry) -> Entry:
        """Write one line durably; to be called inside `locked`.

        Returns
        -------
        The line with its number and hashes.
        """
        entry = {**fields, "seq": len(self._entries), "previous": self.head}
        entry["hash"] = entry_hash(entry)
        line = json.dumps(entry, sort_keys=True, allow_nan=False).encode() + b"\n"
        with self.path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._entries.append(entry)
        self._read += len(line)
        self._mark()
        return entry

    def _catch_up(self, descriptor: int) -> None:
        """Read what was written since, drop a torn last line, check the chain and the head.

        Lines read before are not read again: this object acts on what it has checked, and whatever
        is appended must follow the last of them.
        """
        if os.fstat(descriptor).st_size < self._read:
            raise LedgerCorruptError("the file is shorter than it was", where=str(self.path))
        data = _read_from(descriptor, self._read)
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        self._entries += check_chain(lines, where=str(self.path), after=self._entries)
        self._check_head()
        self._read += whole
        if whole < len(data):
            os.ftruncate(descriptor, self._read)
            os.fsync(descriptor)

    def _check_head(self) -> None:
        count, digest = self._marked()
        known = count <= len(self._entries)
        if not known or (count and self._entries[count - 1]["hash"] != digest):
            raise LedgerCorruptError(
                f"{len(self._entries)} lines, but line {count} was durable", where=str(self.path)
            )

    def _marked(self) -> tuple[int, str]:
        if not self._head_path.exists():
            if len(self._entries) > 1:
                raise LedgerCorruptError("the file of its head is missing", where=str(self.path))
            return 0, GENESIS
        try:
            mark = read_json(self._head_path)
            return int(mark["lines"]), str(mark["hash"])
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerCorruptError("unreadable head", where=str(self._head_path)) from error

    def _mark(self) -> None:
        mark = json.dumps({"lines": len(self._entries), "hash": self.head})
        write_atomically(self._head_path, mark.encode(), private=True)


def entry_hash(entry: Entry) -> str:
    """SHA-256 (hex) of a line without its own hash: compact JSON with sorted keys."""
    body = {key: value for key, value in entry.items() if key != "hash"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def check_chain(lines: list[bytes], *, where: str, after: Sequence[Entry] = ()) -> list[Entry]:
    """Parse lines that follow those in `after`, and check numbers and hashes.

    Raises
    ------
    LedgerCorruptError
        At the first line that does not fit.
    """
    entries: list[Entry] = []
    previous = after[-1]["hash"] if after else GENESIS
    for number, line in enumerate(lines, len(after)):
        entry = _parsed(line, where=f"{where}, line {number + 1}")
        expected = (number, previous, entry_hash(entry))
        if (entry.get("seq"), entry.get("previous"), entry.get("hash")) != expected:
            raise LedgerCorruptError("the chain is broken", where=f"{where}, line {number + 1}")
        entries.append(entry)
        previous = entry["hash"]
    return entries


def _parsed(line: bytes, *, where: str) -> Entry:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise LedgerCorruptError("not a JSON line", where=where) from error
    if not isinstance(entry, dict):
        raise LedgerCorruptError("not a JSON object", where=where)
    return entry


def _read_from(descriptor: int, offset: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size - offset, offset)
