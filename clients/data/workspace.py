"""A DuckDB database of bounded memory in a private folder that vanishes afterwards.

What does not fit in memory spills into that folder. Neither the database nor its spill ever holds a
raw user id: pseudonyms are made before (`clients.data.intake`). SQL run here can reach no file and
load no extension.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from pydantic import Field

from clients.data.errors import WorkspaceFullError
from shared.config import StrictModel
from shared.errors import InvalidValueError


class Limits(StrictModel):
    """What cleaning may use of the machine; no setting changes its result."""

    memory: str = Field(default="1GB", pattern=r"^\d+(\.\d+)? ?(MB|GB|MiB|GiB)$")
    """Memory of the database; what exceeds it spills to disk."""
    threads: int = Field(default=2, ge=1)
    """Threads of the database."""
    folder: str | None = None
    """Where the private folder is made; the system's temporary folder if not given."""


@contextmanager
def workspace(limits: Limits, *, zone: str = "UTC") -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database for one run; removed with all it holds, also after an error.

    Parameters
    ----------
    limits
        Memory, threads and place.
    zone
        Time zone of dates that name none.

    Raises
    ------
    InvalidValueError
        There is no such time zone.
    WorkspaceFullError
        A query inside needs more memory or disk.
    """
    # mkdtemp makes the folder with mode 0700.
    with TemporaryDirectory(prefix="isthmus-", dir=limits.folder) as folder:
        database = duckdb.connect(
            str(Path(folder) / "cleaning.duckdb"),
            config={
                "memory_limit": limits.memory,
                "threads": limits.threads,
                "temp_directory": str(Path(folder) / "spill"),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )
        try:
            _restrict(database, zone)
            yield database
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            first = str(error).split("\n", maxsplit=1)[0]
            raise WorkspaceFullError(
                f"{limits.memory} of memory and the disk are not enough: {first}",
                where=folder,
                remedy="raise limits.memory, lower limits.threads, or name a larger limits.folder",
            ) from error
        finally:
            database.close()


def _restrict(database: duckdb.DuckDBPyConnection, zone: str) -> None:
    try:
        database.execute("SET TimeZone = ?", [zone])
    except duckdb.Error as error:
        raise InvalidValueError(
            f"there is no time zone {zone!r}", where="zone", remedy="for instance 'Europe/Berlin'"
        ) from error
    # The database is thrown away, so there is no use in tidying it first.
    database.execute("PRAGMA disable_checkpoint_on_shutdown")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
