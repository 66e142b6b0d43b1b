"""CSV files, plain or compressed, streamed without trusting their encoding or structure."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from clients.data.errors import (
    MalformedSourceError,
    TruncatedSourceError,
    UnreadableSourceError,
    WrongEncodingError,
)
from clients.data.sources import Batch, MalformedRow, OnMalformed

SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".csv.bz2", ".tsv", ".tsv.gz")
BLOCK_BYTES: Final = 16 * 2**20
"""Bytes read at once, hence also the longest row: a user id of 10 MB is a rejected row."""


class CsvSource:
    """A CSV file with a header.

    Parameters
    ----------
    path
        The file; compression goes by its suffix.
    encoding
        Its encoding; bytes that are not valid in UTF-8 reject single rows, other encodings are
        converted while reading.
    delimiter
        The character between fields.
    """

    def __init__(self, path: Path, *, encoding: str = "utf-8", delimiter: str = ",") -> None:
        self.path = path
        self.encoding = _known(encoding, path)
        self.delimiter = delimiter
        self._columns: list[str] | None = None

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def columns(self) -> list[str]:
        """Names in the header.

        Raises
        ------
        MalformedSourceError
            The header is absent or names a column twice.
        """
        if self._columns is None:
            self._columns = self._header()
        return self._columns

    def batches(self, columns: Sequence[str], on_malformed: OnMalformed) -> Iterator[Batch]:
        """The rows of `columns`, as binary texts.

        Raises
        ------
        TruncatedSourceError
            The compressed file ends too early or fails its checksum.
        MalformedSourceError
            A quote never closes, or a row is longer than 16 MiB.
        """
        skipped: list[MalformedRow] = []
        start = reported = 0
        with self._named_errors(), _CountingFile(self.name) as file:
            for data in self._open(file, columns, skipped):
                rows = _row_numbers(start, len(data), skipped)
                start += len(data)
                self._report(skipped[reported:], on_malformed)
                reported = len(skipped)
                yield Batch(rows, data)
            self._report(skipped[reported:], on_malformed)
            suspicious = file.quotes % 2 and file.lines > 1 + start + len(skipped)
            if suspicious and self._ends_inside_quotes():
                raise self._open_quote("near the end")

    def place(self, row: int) -> tuple[str, int]:
        """The row itself: there is one file."""
        return self.name, row

    def _header(self) -> list[str]:
        with self._named_errors():
            names = self._first_row()
        if not names:
            raise MalformedSourceError(
                "the file has no header",
                where=self.name,
                remedy="write the names of the columns into its first line",
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise MalformedSourceError(
                f"the header names {', '.join(map(repr, twice))} twice",
                where=self.name,
                remedy="give every column its own name",
            )
        return names

    def _open(
        self, file: _CountingFile, columns: Sequence[str], skipped: list[MalformedRow]
    ) -> Iterator[pa.RecordBatch]:
        def skip(row: arrow_csv.InvalidRow) -> str:
            skipped.append(
                MalformedRow(row.number - 1, row.expected_columns, row.actual_columns, row.text)
            )
            return "skip"

        reader = arrow_csv.open_csv(
            pa.PythonFile(file, mode="r"),
            # One thread: only then does Arrow number the rows that it skips.
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, encoding=self.encoding
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(columns, pa.binary()),
                include_columns=list(columns),
            ),
        )
        with reader:
            yield from reader

    def _first_row(self) -> list[str]:
        with pa.input_stream(str(self.path), compression="detect") as stream:
            start = stream.read(2)
        if self.encoding == "utf-8" and start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise WrongEncodingError("the file is UTF-16", where=self.name)
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        with pa.input_stream(str(self.path), compression="detect") as stream:
            lines = io.TextIOWrapper(stream, encoding=encoding, newline="")
            return next(csv.reader(lines, delimiter=self.delimiter), [])

    def _ends_inside_quotes(self) -> bool:
        """Whether the file's last quote never closes; a slow second pass that is rarely needed."""
        with pa.input_stream(str(self.path), compression="detect") as stream:
            lines = io.TextIOWrapper(stream, encoding="latin-1", newline="")
            try:
                for _ in csv.reader(lines, delimiter=self.delimiter, strict=True):
                    pass
            except csv.Error as error:
                return str(error).startswith(("unexpected end of data", "field larger"))
        return False

    def _report(self, rows: Sequence[MalformedRow], on_malformed: OnMalformed) -> None:
        for row in rows:
            if "\n" in row.text.rstrip("\r\n"):
                raise self._open_quote(f"in row {row.row}")
            on_malformed(row)

    def _open_quote(self, place: str) -> MalformedSourceError:
        return MalformedSourceError(
            f"a quote opens {place} and swallows the rows after it",
            where=self.name,
            remedy='close it; a quote within a quoted field is written twice ("")',
        )

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Arrow's errors as ours."""
        try:
            yield
        except FileNotFoundError as error:
            raise UnreadableSourceError("no such file", where=self.name) from error
        except UnicodeDecodeError as error:
            raise WrongEncodingError(
                f"bytes that are not {self.encoding}", where=self.name
            ) from error
        except (pa.ArrowInvalid, csv.Error) as error:
            raise MalformedSourceError(
                _first_line(error),
                where=self.name,
                remedy="check the delimiter, the quotes and that the file is not empty",
            ) from error
        except OSError as error:
            raise TruncatedSourceError(_first_line(error), where=self.name) from error


class _CountingFile:
    """A decompressed stream that counts lines and quotes on their way to the parser.

    The parser accepts a quote that never closes and takes the rest of the file for one field. An
    odd number of quotes together with lines that became no row makes that likely.
    """

    def __init__(self, path: str) -> None:
        self._stream = pa.input_stream(path, compression="detect")
        self.lines = 0
        self.quotes = 0
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self.lines += data.count(b"\n")
        self.quotes += data.count(b'"')
        return data

    def close(self) -> None:
        self.closed = True
        self._stream.close()

    def __enter__(self) -> _CountingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _row_numbers(start: int, count: int, skipped: Sequence[MalformedRow]) -> NDArray[np.int64]:
    """Row numbers of the `count` good rows after the first `start`, skipped rows counted."""
    ordinals = np.arange(start + 1, start + count + 1, dtype=np.int64)
    before = np.array([row.row - i for i, row in enumerate(skipped)], dtype=np.int64)
    return ordinals + np.searchsorted(before, ordinals, side="right")


def _known(encoding: str, path: Path) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise WrongEncodingError(
            f"no encoding is called {encoding!r}", where=str(path), remedy="for instance 'latin-1'"
        ) from error


def _first_line(error: Exception) -> str:
    # Arrow quotes the offending line after a colon and a newline; it may hold user ids.
    return str(error).split("\n", maxsplit=1)[0]
