"""JSON lines, plain or compressed: one object a line, streamed; a bad line costs that line only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from clients.data.columns import LIST_SEPARATOR
from clients.data.errors import (
    MalformedSourceError,
    TruncatedSourceError,
    UnreadableSourceError,
)
from clients.data.sources import Batch, MalformedRow, OnMalformed

SUFFIXES: Final = tuple(
    f".{name}{packed}" for name in ("jsonl", "ndjson") for packed in ("", ".gz", ".zst", ".bz2")
)
BATCH_ROWS: Final = 20_000
BLOCK_BYTES: Final = 4 * 2**20
LONGEST_LINE: Final = 16 * 2**20
LOOKED_AT: Final = 1000
"""Lines whose keys are the columns; a key that first appears later is not one."""


class JsonLinesSource:
    """A file with one JSON object a line.

    Parameters
    ----------
    path
        The file; compression goes by its suffix.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] | None = None

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def columns(self) -> list[str]:
        """Keys of the first thousand objects.

        Raises
        ------
        MalformedSourceError
            None of the first thousand lines holds an object.
        """
        if self._columns is None:
            names: dict[str, None] = {}
            for number, line in enumerate(self._lines()):
                names |= dict.fromkeys(_object(line) or ())
                if number >= LOOKED_AT:
                    break
            if not names:
                raise MalformedSourceError(
                    "no JSON object in the first lines",
                    where=self.name,
                    remedy="write one object a line",
                )
            self._columns = list(names)
        return self._columns

    def batches(self, columns: Sequence[str], on_malformed: OnMalformed) -> Iterator[Batch]:
        """The rows of `columns` as texts; lists are joined by `LIST_SEPARATOR`.

        Raises
        ------
        TruncatedSourceError
            The compressed file ends too early.
        MalformedSourceError
            A line is longer than 16 MiB.
        """
        rows: list[int] = []
        values: list[dict[str, Any]] = []
        for row, line in enumerate(self._lines(), start=1):
            found = _object(line)
            if found is None:
                on_malformed(MalformedRow(row, len(columns), 0, ""))
                continue
            rows.append(row)
            values.append(found)
            if len(rows) == BATCH_ROWS:
                yield _batch(rows, values, columns)
                rows, values = [], []
        if rows:
            yield _batch(rows, values, columns)

    def place(self, row: int) -> tuple[str, int]:
        """The line among those that are not blank."""
        return self.name, row

    def _lines(self) -> Iterator[bytes]:
        """The lines that are not blank."""
        rest = b""
        with self._named_errors(), pa.input_stream(self.name, compression="detect") as stream:
            while block := stream.read(BLOCK_BYTES):
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise MalformedSourceError(
                        "a line longer than 16 MiB", where=self.name, remedy="one object a line"
                    )
                yield from (line for line in lines if line.strip())
        if rest.strip():
            yield rest

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise UnreadableSourceError("no such file", where=self.name) from error
        except OSError as error:
            raise TruncatedSourceError(str(error).split("\n")[0], where=self.name) from error


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):  # a wrong encoding and a giant number included
        return None
    return found if isinstance(found, dict) else None


def _batch(rows: list[int], values: list[dict[str, Any]], columns: Sequence[str]) -> Batch:
    cells = [pa.array([_text(v.get(c)) for v in values], pa.binary()) for c in columns]
    return Batch(np.array(rows, np.int64), pa.record_batch(cells, names=list(columns)))


def _text(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, list):
        return LIST_SEPARATOR.encode().join(_text(part) or b"" for part in value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 5.0 is the number 5
    if isinstance(value, dict | bool):
        value = json.dumps(value)
    return str(value).encode("utf-8", "surrogatepass")
