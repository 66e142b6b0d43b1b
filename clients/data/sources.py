"""Where a platform's tables come from: one small interface, and the choice by file name.

A source streams its rows in order as Arrow batches of a bounded size; nothing of it is held longer
than one batch. CSV, JSON lines, Parquet and databases have modules of their own; an Arrow table in
memory is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clients.data.errors import MissingColumnError


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive rows of a source.

    Attributes
    ----------
    rows
        (B,) int64 row numbers; 1 is the first row after the header.
    data
        B rows; texts whose encoding is unchecked have a binary type.
    """

    rows: NDArray[np.int64]
    data: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that has the wrong number of fields; `text` may hold user ids, so never show it."""

    row: int
    expected: int
    found: int
    text: str


OnMalformed = Callable[[MalformedRow], None]


class Source(Protocol):
    """A table that can be streamed."""

    @property
    def name(self) -> str:
        """What reports call it: a path or an URL without credentials."""
        ...

    def columns(self) -> list[str]:
        """Names of the columns."""
        ...

    def batches(self, columns: Sequence[str], on_malformed: OnMalformed) -> Iterator[Batch]:
        """The rows of `columns` in order.

        Rows that cannot be cut into fields are given to `on_malformed` instead, before the batch
        that follows them.
        """
        ...

    def place(self, row: int) -> tuple[str, int]:
        """File and row within it, for a row number that counts through all files."""
        ...


class TableSource:
    """An Arrow table in memory.

    Parameters
    ----------
    name
        What reports call it.
    table
        The rows.
    rows
        Their row numbers at the origin; counted from 1 if not given.
    malformed
        Rows of the origin that did not become part of the table.
    """

    def __init__(
        self,
        name: str,
        table: pa.Table,
        *,
        rows: NDArray[np.int64] | None = None,
        malformed: Sequence[MalformedRow] = (),
    ) -> None:
        self.name = name
        self._table = table
        self._rows = np.arange(1, len(table) + 1) if rows is None else rows
        self._malformed = malformed

    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._table.column_names)

    def batches(self, columns: Sequence[str], on_malformed: OnMalformed) -> Iterator[Batch]:
        """The rows of `columns` in order."""
        for row in self._malformed:
            on_malformed(row)
        start = 0
        for data in self._table.select(list(columns)).to_batches():
            yield Batch(self._rows[start : start + len(data)], data)
            start += len(data)

    def place(self, row: int) -> tuple[str, int]:
        """The row itself: there is one table."""
        return self.name, row


def require_columns(source: Source, wanted: Sequence[str]) -> None:
    """Insist that `source` has all of the `wanted` columns.

    Raises
    ------
    MissingColumnError
        It has not; the message lists what it has and the nearest name.
    """
    present = source.columns()
    missing = [column for column in wanted if column not in present]
    if not missing:
        return
    near = get_close_matches(missing[0], present, n=1)
    hint = f"map it, for instance to {near[0]!r}" if near else "map it to a column that exists"
    raise MissingColumnError(
        f"no column {', '.join(map(repr, missing))} among {', '.join(map(repr, present))}",
        where=source.name,
        remedy=hint,
    )


def open_source(path: Path | str, *, encoding: str = "utf-8", delimiter: str = ",") -> Source:
    """A source for a CSV, JSON lines or Parquet file, or a folder of Parquet files.

    Raises
    ------
    UnreadableSourceError
        There is no such file, or nobody reads its format.
    """
    from clients.data.csv_source import SUFFIXES, CsvSource
    from clients.data.json_source import SUFFIXES as JSON_SUFFIXES
    from clients.data.json_source import JsonLinesSource
    from clients.data.parquet_source import ParquetSource

    path = Path(path)
    if path.name.endswith(JSON_SUFFIXES):
        return JsonLinesSource(path)
    if path.name.endswith(SUFFIXES):
        return CsvSource(path, encoding=encoding, delimiter=delimiter)
    return ParquetSource(path)
