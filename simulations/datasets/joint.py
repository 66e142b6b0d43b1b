"""Tables in which several platforms stand one below the other, told apart by a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clients.data.columns import as_text
from clients.data.errors import MalformedSourceError
from clients.data.sources import MalformedRow, Source, TableSource, require_columns

PLATFORM: Final = "platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTable:
    """Rows of several platforms, as read from one source.

    Attributes
    ----------
    name
        What reports call the source.
    platforms
        N platform names.
    table
        N rows of the other columns.
    rows
        (N,) int64 row numbers in the source.
    malformed
        Rows that could not be cut into fields, by the platform they most likely belong to.
    """

    name: str
    platforms: pa.Array
    table: pa.Table
    rows: NDArray[np.int64]
    malformed: dict[str, list[MalformedRow]]

    def names(self) -> list[str]:
        """The platforms in the order in which they first appear."""
        return [str(name) for name in self.platforms.unique().to_pylist()]

    def of(self, platform: str) -> TableSource:
        """One platform's rows, with their row numbers in the joint source."""
        mine = pc.equal(self.platforms, platform)
        return TableSource(
            self.name,
            self.table.filter(mine),
            rows=self.rows[mine.to_numpy(zero_copy_only=False)],
            malformed=self.malformed.get(platform, ()),
        )


def read_joint(source: Source, required: Sequence[str], optional: Sequence[str] = ()) -> JointTable:
    """Read a source with a column `PLATFORM`.

    Raises
    ------
    MissingColumnError
        A required column is absent.
    MalformedSourceError
        A row names no platform.
    """
    require_columns(source, [PLATFORM, *required])
    present = source.columns()
    columns = [PLATFORM, *required, *(name for name in optional if name in present)]
    malformed: list[MalformedRow] = []
    batches = list(source.batches(columns, malformed.append))
    rows = np.concatenate([batch.rows for batch in batches] or [np.zeros(0, np.int64)])
    schema = batches[0].data.schema if batches else pa.schema([(c, pa.string()) for c in columns])
    table = pa.Table.from_batches([batch.data for batch in batches], schema)
    platforms = _platforms(source, table.column(PLATFORM), rows)
    return JointTable(
        name=source.name,
        platforms=platforms,
        table=table.drop_columns([PLATFORM]),
        rows=rows,
        malformed=_attributed(malformed, platforms, present),
    )


def _platforms(source: Source, column: pa.ChunkedArray, rows: NDArray[np.int64]) -> pa.Array:
    names, bad = as_text(column.combine_chunks())
    names = pc.utf8_trim_whitespace(pc.fill_null(names, ""))
    nameless = np.flatnonzero(pc.equal(names, "").to_numpy(zero_copy_only=False))
    if bad is not None or len(nameless):
        index = int(nameless[0]) if bad is None else int(np.argmax(bad))
        raise MalformedSourceError(
            f"row {rows[index]} names no platform",
            where=f"{source.name}, column {PLATFORM}",
            remedy="name the platform of every row",
        )
    return names


def _attributed(
    malformed: Sequence[MalformedRow], platforms: pa.Array, columns: Sequence[str]
) -> dict[str, list[MalformedRow]]:
    """Malformed rows by platform: by their first field where it names one, else the largest."""
    if not malformed or not len(platforms):
        return {}
    counts = pc.value_counts(platforms).to_pylist()
    sizes = {entry["values"]: entry["counts"] for entry in counts}
    largest = max(sizes, key=lambda name: sizes[name])
    found: dict[str, list[MalformedRow]] = {}
    for row in malformed:
        first = row.text.split(",", maxsplit=1)[0].strip().strip('"')
        known = columns[0] == PLATFORM and first in sizes
        found.setdefault(first if known else largest, []).append(row)
    return found
