"""A Parquet file, or a folder of them in order of their names, streamed row group by row group."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from clients.data.errors import (
    MalformedSourceError,
    TruncatedSourceError,
    UnreadableSourceError,
)
from clients.data.sources import Batch, OnMalformed

BATCH_ROWS: Final = 131_072


class ParquetSource:
    """Parquet files with one schema.

    Parameters
    ----------
    path
        A file, or a folder that is searched for ``*.parquet``.

    Raises
    ------
    UnreadableSourceError
        There is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = _files(path)
        self._ends: list[int] = []

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def columns(self) -> list[str]:
        """Names of the columns, the same in every file.

        Raises
        ------
        TruncatedSourceError
            A file is not complete.
        MalformedSourceError
            Files of the folder have different columns.
        """
        names: list[str] = []
        self._ends = []
        for file in self._files:
            with _named_errors(file), parquet.ParquetFile(file) as opened:
                found = list(opened.schema_arrow.names)
                rows = opened.metadata.num_rows
            if names and found != names:
                raise MalformedSourceError(
                    f"columns differ from those of {self._files[0].name}",
                    where=str(file),
                    remedy="write all files of a folder with the same columns",
                )
            names = found
            self._ends.append(rows + (self._ends[-1] if self._ends else 0))
        return names

    def batches(self, columns: Sequence[str], on_malformed: OnMalformed) -> Iterator[Batch]:
        """The rows of `columns`, typed as in the files.

        Raises
        ------
        TruncatedSourceError
            A file is not complete.
        """
        start = 0
        for file in self._files:
            with _named_errors(file), parquet.ParquetFile(file) as opened:
                for data in opened.iter_batches(BATCH_ROWS, columns=list(columns)):
                    yield Batch(np.arange(start + 1, start + len(data) + 1), data)
                    start += len(data)

    def place(self, row: int) -> tuple[str, int]:
        """File and row within it."""
        index = bisect_left(self._ends, row)
        return str(self._files[index]), row - (self._ends[index - 1] if index else 0)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(path.glob("*.parquet"))
    else:
        files = [path] if path.is_file() and path.suffix == ".parquet" else []
    if not files:
        known = path.exists() and not path.is_dir()
        raise UnreadableSourceError(
            "nobody reads this format" if known else "no such file",
            where=str(path),
            remedy="give a .csv, .jsonl or .parquet file, or a folder with .parquet files",
        )
    return files


@contextmanager
def _named_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        first = str(error).split("\n", maxsplit=1)[0]
        raise TruncatedSourceError(
            f"not a complete Parquet file: {first}", where=str(file)
        ) from error
