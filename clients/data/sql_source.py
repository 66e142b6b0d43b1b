"""A table or query of a database by SQLAlchemy URL: PostgreSQL, SQLite and whatever has a driver.

One read-only snapshot of the database a pass, streamed through a server-side cursor. With a
watermark, a later pass reads rows from the last value on, that value included: rows with the same
value may have arrived since, and what was read twice is dropped as a repetition.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, select, text
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from clients.data.columns import LIST_SEPARATOR
from clients.data.config import Origin
from clients.data.errors import TruncatedSourceError, UnreadableSourceError
from clients.data.sources import Batch, OnMalformed
from clients.home import NodeHome
from shared.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnClause
    from sqlalchemy.sql.selectable import FromClause

BATCH_ROWS: Final = 20_000


class PasswordError(ConfigError):
    """A database password that stands where it must not, or cannot be read."""

    code = "CFG-103"
    default_remedy = "name a variable (password_env) or a file of mode 0600 (password_file)"


class SqlSource:
    """A table or query.

    Parameters
    ----------
    home
        The node; paths are relative to it.
    origin
        Its url, and what to read there.
    since
        Watermark to begin with, as an earlier pass left it in `watermark`.

    Attributes
    ----------
    watermark
        Where the next pass begins; None before a pass, without rows, or without such a column.

    Raises
    ------
    PasswordError
    UnreadableSourceError
        Nobody understands the URL, or its driver is not installed.
    """

    def __init__(self, home: NodeHome, origin: Origin, *, since: Any = None) -> None:
        url = _url(home, origin)
        self._shown = url.render_as_string(hide_password=True)
        self._origin, self._since = origin, since
        self.watermark: Any = None
        with self._named(UnreadableSourceError):
            self._engine = _engine(url)

    @property
    def name(self) -> str:
        """The URL without its password, and the table."""
        return f"{self._shown} {self._origin.table or 'query'}"

    def columns(self) -> list[str]:
        """Names of the columns.

        Raises
        ------
        UnreadableSourceError
            The database cannot be reached, or has no such table.
        """
        with self._named(UnreadableSourceError), self._connected() as connection:
            nothing = select(text("*")).select_from(self._from([])).limit(0)
            return list(connection.execute(nothing).keys())

    def batches(self, columns: Sequence[str], on_malformed: OnMalformed) -> Iterator[Batch]:
        """The rows of `columns` as texts, in order of the watermark if there is one.

        Raises
        ------
        TruncatedSourceError
            The connection broke.
        """
        mark = self._origin.watermark
        names = list(dict.fromkeys([*columns, *([mark] if mark else [])]))
        start = 0
        with self._named(TruncatedSourceError), self._connected() as connection:
            result = connection.execution_options(yield_per=BATCH_ROWS).execute(self._query(names))
            for rows in result.partitions():
                data = pa.record_batch(
                    [_texts([row[place] for row in rows]) for place in range(len(columns))],
                    names=list(columns),
                )
                if mark:
                    self._note(rows[-1][names.index(mark)])
                yield Batch(np.arange(start + 1, start + len(rows) + 1), data)
                start += len(rows)

    def place(self, row: int) -> tuple[str, int]:
        """The row in the order in which it was read."""
        return self.name, row

    def _query(self, names: Sequence[str]) -> Any:
        origin = self._from(names)
        query = select(*(origin.c[name] for name in names))
        if not self._origin.watermark:
            return query
        mark = origin.c[self._origin.watermark]
        query = query.where(mark.is_not(None)).order_by(mark)
        return query if self._since is None else query.where(mark >= _unmarked(self._since))

    def _from(self, names: Sequence[str]) -> FromClause:
        if self._origin.query:
            query = text(self._origin.query.rstrip().rstrip(";"))
            return query.columns(*(sql_column(name) for name in names)).subquery("origin")
        *schema, table = self._origin.table.rsplit(".", maxsplit=1)
        columns: list[ColumnClause[Any]] = [sql_column(name) for name in names]
        return sql_table(table, *columns, schema=schema[0] if schema else None)

    def _note(self, value: Any) -> None:
        """Rows come in order of the watermark, so the last value is the highest."""
        self.watermark = _marked(value)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def _named(self, kind: type[UnreadableSourceError | TruncatedSourceError]) -> Iterator[None]:
        """The database's errors as ours; only their kind, since their text may hold data."""
        try:
            yield
        except (SQLAlchemyError, NoSuchModuleError, ImportError) as error:
            cause = getattr(error, "orig", None)
            raise kind(
                f"the database says {type(cause or error).__name__}",
                where=self.name,
                remedy="check url, table and permissions with the database's own client",
            ) from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "postgresql":
        return create_engine(url, poolclass=NullPool)
    # One consistent view of the table, and no way to change it.
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _url(home: NodeHome, origin: Origin) -> URL:
    try:
        url = make_url(origin.url)
    except ArgumentError as error:
        raise UnreadableSourceError("not a database URL", remedy="see docs/data.md") from error
    if url.password is not None:
        raise PasswordError("a password stands in the url")
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        return url.set(database=str(home.root / url.database))
    password = _password(home, origin)
    return url if password is None else url.set(password=password)


def _password(home: NodeHome, origin: Origin) -> str | None:
    if origin.password_env:
        if origin.password_env not in os.environ:
            raise PasswordError(f"the variable {origin.password_env} is not set")
        return os.environ[origin.password_env]
    if not origin.password_file:
        return None
    path = home.root / origin.password_file
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        password = path.read_text(encoding="utf-8").strip("\r\n")
    except OSError as error:
        raise PasswordError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if mode & 0o077:
        raise PasswordError(f"mode {mode:04o}", where=str(path), remedy=f"chmod 600 {path}")
    return password


def _texts(values: Sequence[Any]) -> pa.Array:
    return pa.array([_text(value) for value in values], pa.binary())


def _text(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, list | tuple):
        return LIST_SEPARATOR.join(map(str, value)).encode("utf-8", "surrogatepass")
    if isinstance(value, datetime | date):
        return value.isoformat().encode()
    if isinstance(value, float | Decimal) and value == value // 1:
        value = int(value)  # 5.0 is the number 5
    return str(value).encode("utf-8", "surrogatepass")


def _marked(value: Any) -> dict[str, Any]:
    """A watermark as JSON."""
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    return {"value": value if isinstance(value, int | float) else str(value)}


def _unmarked(mark: dict[str, Any]) -> Any:
    if "time" in mark:
        return datetime.fromisoformat(mark["time"])
    return Decimal(mark["decimal"]) if "decimal" in mark else mark["value"]
