"""The door of the node: raw rows come in, pseudonymous Arrow batches go on.

Raw user ids exist only in the batch at hand, in memory. What leaves this module towards DuckDB,
which may spill to disk, carries pseudonyms. Cells that are no valid text and rows without a usable
user id are turned away here; everything else is judged later, in `clients.data.cleaning`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clients.data.columns import as_text, as_time
from clients.data.problems import Example, Kind, Tally, shown
from clients.data.pseudonyms import PSEUDONYM_BYTES, PseudonymKey
from clients.data.sources import Batch, MalformedRow, Source
from shared.contract import TIME, USER
from shared.progress import SILENT, Step

LONGEST_ID: Final = 512
PORTION_ROWS: Final = 1_000_000
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
    ) -> None:
        self.rows = 0
        self.failure: Exception | None = None
        self.source = source
        self._columns = dict(columns)
        self.tally = tally
        self._key = key
        self._constants = constants
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

    def _batches(self) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys(self._columns.values()))
        for batch in self.source.batches(wanted, self._malformed):
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
        if USER in admitted:
            admitted[USER] = self._pseudonyms(admitted[USER], batch, good)
        for name, text in self._constants.items():
            admitted[name] = pa.repeat(pa.scalar(text, pa.string()), len(good))
        return pa.record_batch(admitted).filter(pa.array(good))

    def _pseudonyms(self, users: pa.Array, batch: Batch, good: Flags) -> pa.Array:
        if self._key is None:
            raise ValueError("a source of users needs a pseudonym key")
        encoded = pc.fill_null(users, "").dictionary_encode()
        distinct = normal_ids(encoded.dictionary)
        codes = encoded.indices.to_numpy()
        lengths = pc.utf8_length(distinct).to_numpy()[codes]
        self._turn_away(Kind.MISSING_USER, USER, batch, good, lengths == 0)
        self._turn_away(Kind.LONG_ID, USER, batch, good, lengths > LONGEST_ID)
        digests = self._key.digests(distinct.cast(pa.binary()).to_pylist())
        known = pa.array(digests, pa.binary(PSEUDONYM_BYTES)).take(encoded.indices)
        return pa.ExtensionArray.from_storage(pa.uuid(), known)

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


def normal_ids(texts: pa.Array) -> pa.Array:
    """Ids in Unicode's composed form without surrounding white space, so that equal ids match."""
    if not pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        texts = pc.utf8_normalize(texts, form="NFC")
    return pc.utf8_trim_whitespace(texts)


def normal_id(text: str) -> str:
    """One id in the form in which ids are compared; lone surrogates become replacement marks."""
    clean = text.encode("utf-8", "replace").decode()
    return str(normal_ids(pa.array([clean], pa.string()))[0].as_py())


def _bytes(cell: pa.Scalar) -> str:
    raw = cell.as_py()
    return shown(raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw)
