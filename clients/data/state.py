"""The node's live state in SQLite: events, reactions, opt-outs.

WAL journal with ``synchronous=FULL``: what a method has returned from is on the disk, also after
kill -9 or a power cut. Deleted rows are overwritten (``secure_delete``). Users stand as pseudonyms
of 16 bytes; no column can hold a raw id.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from clients.data.store_errors import NewerStateError, StateError

MIGRATIONS: Final = (
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, user BLOB NOT NULL CHECK (length(user) = 16),
        item TEXT NOT NULL, event INTEGER NOT NULL, time REAL NOT NULL
    ) STRICT;
    CREATE INDEX events_by_user ON events (user);
    CREATE TABLE feedback (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, user BLOB NOT NULL CHECK (length(user) = 16),
        item TEXT NOT NULL, kind TEXT NOT NULL, time REAL NOT NULL
    ) STRICT;
    CREATE INDEX feedback_by_user ON feedback (user);
    CREATE TABLE opt_outs (
        user BLOB PRIMARY KEY CHECK (length(user) = 16), time REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)
"""One script a version; a released one is never changed."""

PERSONAL: Final = ("events", "feedback")
"""Tables whose rows belong to a user."""

Row = tuple[Any, ...]


class NodeState:
    """The database; safe to use from several threads and processes.

    Parameters
    ----------
    path
        Its file, made with mode 0600 if it does not exist.

    Raises
    ------
    NewerStateError
        Another release wrote it.
    StateError
        It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._named():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = sqlite3.connect(
                path, timeout=30, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                self._database.execute(f"PRAGMA {pragma}")
            self._migrate()

    def insert_events(self, rows: Sequence[tuple[bytes, str, int, float]]) -> None:
        """Append (user, item, event type, time) rows; durable when this returns."""
        self._insert("INSERT INTO events (user, item, event, time) VALUES (?, ?, ?, ?)", rows)

    def insert_feedback(self, rows: Sequence[tuple[bytes, str, str, float]]) -> None:
        """Append (user, item, kind, time) rows; durable when this returns."""
        self._insert("INSERT INTO feedback (user, item, kind, time) VALUES (?, ?, ?, ?)", rows)

    def events(self, user: bytes | None = None) -> list[Row]:
        """(user, item, event type, time) in order of arrival, of one user or all."""
        return self._select("SELECT user, item, event, time FROM events", user)

    def feedback(self, user: bytes | None = None) -> list[Row]:
        """(user, item, kind, time) in order of arrival, of one user or all."""
        return self._select("SELECT user, item, kind, time FROM feedback", user)

    def opted_out(self) -> set[bytes]:
        """Everybody who opted out."""
        with self._named():
            return {row[0] for row in self._database.execute("SELECT user FROM opt_outs")}

    def has_opted_out(self, user: bytes) -> bool:
        """Whether one user opted out."""
        query = "SELECT 1 FROM opt_outs WHERE user = ?"
        with self._named():
            return self._database.execute(query, [user]).fetchone() is not None

    def erase(self, user: bytes, time: float) -> dict[str, int]:
        """Put a user on the opt-out list and delete all rows of hers; rows deleted by table."""
        with self._transaction():
            self._database.execute("INSERT OR IGNORE INTO opt_outs VALUES (?, ?)", [user, time])
            removed = {
                table: self._database.execute(
                    f"DELETE FROM {table} WHERE user = ?",  # noqa: S608 (own constant)
                    [user],
                ).rowcount
                for table in PERSONAL
            }
        self.compact()
        return removed

    def expire(self, earliest: float) -> int:
        """Delete rows older than `earliest`; returns how many."""
        with self._transaction():
            return sum(
                self._database.execute(
                    f"DELETE FROM {table} WHERE time < ?",  # noqa: S608 (own constant)
                    [earliest],
                ).rowcount
                for table in PERSONAL
            )

    def users(self) -> set[bytes]:
        """Everybody of whom there is a row, opt-outs included."""
        query = """
            SELECT user FROM events UNION SELECT user FROM feedback UNION SELECT user FROM opt_outs
        """
        with self._named():
            return {row[0] for row in self._database.execute(query)}

    def rename(self, names: Mapping[bytes, bytes], drop: Iterable[bytes]) -> None:
        """Give users other pseudonyms and delete the rows of those in `drop`, in one step."""
        with self._transaction():
            for table in (*PERSONAL, "opt_outs"):
                self._database.executemany(
                    f"UPDATE OR REPLACE {table} SET user = ? WHERE user = ?",  # noqa: S608
                    [(new, old) for old, new in names.items()],
                )
                self._database.executemany(
                    f"DELETE FROM {table} WHERE user = ?",  # noqa: S608 (own constant)
                    [(user,) for user in drop],
                )
        self.compact()

    def compact(self) -> None:
        """Leave nothing of deleted rows in the file or its journal."""
        with self._named():
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; the state must not be used afterwards."""
        with self._lock:
            self._database.close()

    def _select(self, query: str, user: bytes | None) -> list[Row]:
        with self._named():
            if user is None:
                return self._database.execute(f"{query} ORDER BY seq").fetchall()
            return self._database.execute(f"{query} WHERE user = ? ORDER BY seq", [user]).fetchall()

    def _insert(self, statement: str, rows: Sequence[Row]) -> None:
        with self._transaction():
            self._database.executemany(statement, rows)

    def _migrate(self) -> None:
        version = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise NewerStateError(
                f"version {version}; this release knows {len(MIGRATIONS)}", where=str(self._path)
            )
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            with self._transaction():
                # Two processes may open a new file at once: the second finds the work done.
                if int(self._database.execute("PRAGMA user_version").fetchone()[0]) < number:
                    for statement in script.split(";"):
                        self._database.execute(statement)
                    self._database.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._named():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    @contextmanager
    def _named(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                raise StateError(str(error), where=str(self._path)) from error
