"""The door of the node: raw rows come in, narrow rows of numbers go on.

Raw user ids exist in memory only: in the batch at hand and in the table that numbers them. What
leaves this module towards DuckDB, which may spill to disk, carries numbers and pseudonyms. Cells
that are no valid text and rows without a usable user id are turned away here; everything else is
judged later, in `clients.data.cleaning`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clients.data.codes import Codes, Names, Pseudonyms
from clients.data.columns import as_text, as_time
from clients.data.dataset import Int32s
from clients.data.problems import Example, Kind, Tally, shown
from clients.data.pseudonyms import PseudonymKey
from clients.data.sources import Batch, MalformedRow, Source
from shared.contract import TIME, USER
from shared.progress import SILENT, Step

LONGEST_ID: Final = 512
PORTION_ROWS: Final = 1_000_000
GATHERED_ROWS: Final = 400_000
GATHERED_BYTES: Final = 64 * 2**20
ROW: Final = "row"

Flags = NDArray[np.bool_]


class Intake:
    """One pass over a source.

    Parameters
    ----------
    source
        Where the rows come from.
    columns
        Source column by contract name; `USER` among them is replaced by pseudonyms.
    tally
        Where problems are counted.
    key
        Key of the pseudonyms; required if `columns` has a user.
    constants
        Texts of contract columns that the source does not have.
    coded
        Contract columns, besides the user, that leave as numbers; `names` says what they mean.

    Attributes
    ----------
    source, tally
        As given.
    rows
        Rows read so far, those that were turned away included.
    failure
        The error that ended the pass, since DuckDB would only show its text.
    """

    def __init__(
        self,
        source: Source,
        columns: Mapping[str, str],
        tally: Tally,
        *,
        key: PseudonymKey | None = None,
        constants: Mapping[str, str] = MappingProxyType({}),
        coded: Collection[str] = (),
    ) -> None:
        self.rows = 0
        self.failure: Exception | None = None
        self.source = source
        self._columns = dict(columns)
        self.tally = tally
        self._constants = constants
        self._pseudonyms = None if key is None else Pseudonyms(key)
        self._codes = {name: Codes() for name in coded}
        if self._pseudonyms is not None:
            self._codes[USER] = Codes(self._pseudonyms)
        self._step: Step = SILENT.step("")

    def watch(self, step: Step) -> None:
        """Report rows read to `step`."""
        self._step = step

    def portions(self) -> Iterator[pa.RecordBatchReader]:
        """The rows as consecutive streams with `ROW` and the contract's columns.

        A portion must be read to its end before the next one is taken. DuckDB holds what one
        statement inserts in memory until the statement ends, so one stream would not be bounded.

        Raises
        ------
        DataError
            The source cannot be read to its end.
        """
        batches = self._batches()
        for first in batches:
            yield pa.RecordBatchReader.from_batches(first.schema, self._portion(first, batches))

    def _portion(
        self, first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        yield first
        rows = len(first)
        try:
            while rows < PORTION_ROWS and (batch := next(rest, None)) is not None:
                yield batch
                rows += len(batch)
        except Exception as error:
            self.failure = error
            raise

    def names(self, column: str) -> Names:
        """What the numbers of a coded column mean that are new since the last call.

        Of users: their pseudonyms.
        """
        return self._codes[column].names()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys(self._columns.values()))
        for batch in gathered(self.source.batches(wanted, self._malformed)):
            self.rows += len(batch.rows)
            self._step(self.rows, 0, "rows")
            yield self._admit(batch)
        self._step(self.rows, self.rows, "rows")

    def _malformed(self, row: MalformedRow) -> None:
        self.rows += 1
        fields = f"{row.found} fields instead of {row.expected}"
        self.tally.add(Kind.MALFORMED_ROW, "", 1, [self._example(row.row, fields)])

    def _admit(self, batch: Batch) -> pa.RecordBatch:
        """The batch with contract names and types, without the rows that are turned away."""
        good = np.ones(len(batch.rows), dtype=np.bool_)
        admitted: dict[str, pa.Array] = {ROW: pa.array(batch.rows, pa.int64())}
        for name, column in self._columns.items():
            raw = batch.data.column(column)
            values, bad = as_time(raw) if name == TIME else as_text(raw)
            if bad is not None:
                self._turn_away(Kind.BAD_ENCODING, name, batch, good, bad)
            admitted[name] = values
        for name, text in self._constants.items():
            admitted[name] = pa.repeat(pa.scalar(text, pa.string()), len(good))
        for name, codes in self._codes.items():
            admitted[name] = pa.array(codes.encode(admitted[name]))
        if USER in admitted:
            self._turn_users_away(admitted[USER].to_numpy(), batch, good)
        table = pa.record_batch(admitted)
        return table if good.all() else table.filter(pa.array(good))

    def _turn_users_away(self, codes: Int32s, batch: Batch, good: Flags) -> None:
        if self._pseudonyms is None:
            raise ValueError("a source of users needs a pseudonym key")
        lengths = self._pseudonyms.lengths[codes]
        self._turn_away(Kind.MISSING_USER, USER, batch, good, lengths == 0)
        self._turn_away(Kind.LONG_ID, USER, batch, good, lengths > LONGEST_ID)

    def _turn_away(self, kind: Kind, name: str, batch: Batch, good: Flags, bad: Flags) -> None:
        """Count the rows flagged `bad` that no other problem has claimed yet, and unflag them."""
        fresh = np.flatnonzero(bad & good)
        good[fresh] = False
        column = self._columns[name]
        cells = batch.data.column(column)
        self.tally.add(
            kind,
            column,
            len(fresh),
            (
                self._example(int(batch.rows[i]), "" if name == USER else _bytes(cells[int(i)]))
                for i in fresh[: self.tally.limit]
            ),
        )

    def _example(self, row: int, value: str) -> Example:
        file, place = self.source.place(row)
        return Example(row=place, value=value, file=file)


def gathered(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same rows in batches of some hundred thousand: numbering has a price for each batch."""
    waiting: list[Batch] = []
    for batch in batches:
        if waiting and not _fits(waiting, batch):
            yield _joined(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        yield _joined(waiting)


def _fits(waiting: list[Batch], batch: Batch) -> bool:
    """Whether `batch` can be added without making too large a whole, or one of several types."""
    rows = sum(len(b.rows) for b in waiting) + len(batch.rows)
    size = sum(b.data.nbytes for b in waiting) + batch.data.nbytes
    same = batch.data.schema.equals(waiting[0].data.schema)
    return same and rows <= GATHERED_ROWS and size <= GATHERED_BYTES


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    rows = np.concatenate([batch.rows for batch in batches])
    return Batch(rows, pa.concat_batches([batch.data for batch in batches]))


def _bytes(cell: pa.Scalar) -> str:
    raw = cell.as_py()
    return shown(raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw)
