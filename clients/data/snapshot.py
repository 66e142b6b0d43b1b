"""A cleaned platform as Parquet files, whole or not there.

A snapshot is a folder ``snapshot-NUMBER`` with the catalogue, the users and their events, and a
manifest with the SHA-256 of each. The file ``current.json`` names the one in use; replacing it is
the moment in which an ingestion takes effect.

Events are sorted by user, time and arrival, and ``users`` says how many each has, so the events
themselves name nobody.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from clients.data.dataset import Catalogue, Histories, Int64s
from clients.data.features import Features, read_features
from clients.data.ordering import Events
from clients.data.store_errors import DamagedSnapshotError, NoSnapshotError
from shared.files import read_json, sync_directory, write_atomically
from shared.models.encoders.base import file_sha256

FORMAT: Final = 1
BATCH_ROWS: Final = 1_000_000
EXTRA: Final = "extra."
EVENT_SCHEMA: Final = pa.schema(
    [("item", pa.int32()), ("event", pa.int8()), ("time", pa.float64())]
)

_CATALOGUE: Final = """
SELECT item, title, categories, description, extra FROM catalogue ORDER BY item_index
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a snapshot holds.

    Attributes
    ----------
    created
        ISO 8601.
    platform
        Its name.
    key_id
        Which key made the pseudonyms.
    ordinal
        Times are positions.
    users, items, events
        How many.
    watermark
        Where the next reading of the event source begins; none: it is read whole.
    files
        SHA-256 by file name.
    """

    created: str
    platform: str
    key_id: str
    ordinal: bool
    users: int
    items: int
    events: int
    watermark: Any = None
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


class SnapshotWriter:
    """Writes the next snapshot beside the present one.

    Parameters
    ----------
    store
        Folder of all snapshots.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        numbers = [int(path.name.split("-")[1]) for path in store.glob("snapshot-*")]
        self._folder = store / f"snapshot-{max(numbers, default=0) + 1}"
        self._folder.mkdir(mode=0o700, parents=True)

    def catalogue(self, database: duckdb.DuckDBPyConnection, extras: Iterable[str]) -> pa.Table:
        """Write the catalogue of a cleaned workspace; returns it."""
        table = database.sql(_CATALOGUE).to_arrow_table()
        values = table.column("extra").to_pylist()
        table = table.drop_columns(["extra"])
        for number, name in enumerate(extras):
            column = [row[number] if number < len(row) else "" for row in values]
            table = table.append_column(EXTRA + name, pa.array(column, pa.string()))
        self.write("catalogue", table.schema, table.to_batches())
        return table

    def features(self, table: pa.Table) -> None:
        """Write the feature columns of the catalogue."""
        self.write("features", table.schema, table.to_batches())

    def events(self, ordered: Iterable[Events]) -> None:
        """Write events in order, never all in memory."""
        batches = (
            pa.RecordBatch.from_arrays(
                [pa.array(events.items), pa.array(events.events), pa.array(events.times)],
                schema=EVENT_SCHEMA,
            )
            for events in ordered
        )
        self.write("events", EVENT_SCHEMA, batches)

    def users(self, names: pa.Array, lengths: Int64s) -> None:
        """Write the users, and how many events each has."""
        table = pa.table({"user": names, "events": pa.array(lengths.astype(np.int32))})
        self.write("users", table.schema, table.to_batches())

    def write(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write one file of the snapshot with mode 0600."""
        path = self._folder / f"{name}.parquet"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # Times hardly repeat: a dictionary of them only costs.
            repeating = [column for column in schema.names if column != "time"]
            with parquet.ParquetWriter(
                file, schema, compression="zstd", use_dictionary=repeating
            ) as writer:
                for batch in batches:
                    if len(batch):
                        writer.write_batch(batch)
            file.flush()
            os.fsync(file.fileno())

    def publish(self, manifest: Manifest) -> None:
        """Make this snapshot the present one and delete the others."""
        files = {path.name: file_sha256(path) for path in sorted(self._folder.glob("*.parquet"))}
        _write(self._folder / "manifest.json", asdict(manifest) | {"files": files})
        sync_directory(self._folder)
        _write(self._store / "current.json", {"snapshot": self._folder.name})
        self._remove_others()

    def discard(self) -> None:
        """Forget what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_others(self) -> None:
        for folder in self._store.glob("snapshot-*"):
            if folder != self._folder:
                shutil.rmtree(folder, ignore_errors=True)


class Snapshot:
    """The present snapshot, every file checked against the manifest.

    Parameters
    ----------
    store
        Folder of all snapshots.

    Raises
    ------
    NoSnapshotError
        Nothing was ingested yet.
    DamagedSnapshotError
        A file is missing or changed.
    """

    def __init__(self, store: Path) -> None:
        self._folder = _present(store)
        self.manifest = _manifest(self._folder)
        for name, digest in self.manifest.files.items():
            path = self._folder / name
            if not path.exists() or file_sha256(path) != digest:
                raise DamagedSnapshotError(f"{name} is not what was written", where=str(path))

    def catalogue(self) -> Catalogue:
        """The items."""
        return table_catalogue(self._read("catalogue"))

    def item_columns(self) -> dict[str, list[str]]:
        """Further columns of the items by name; a missing value is ``""``."""
        table = self._read("catalogue")
        names = [name for name in table.column_names if name.startswith(EXTRA)]
        return {name.removeprefix(EXTRA): table.column(name).to_pylist() for name in names}

    def users(self) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """Pseudonyms, and (U + 1,) where each one's events begin."""
        table = self._read("users")
        counts = table.column("events").to_numpy().astype(np.int64)
        return table.column("user").to_pylist(), np.concatenate(([0], np.cumsum(counts)))

    def histories(self) -> Histories:
        """All histories."""
        users, offsets = self.users()
        count = int(offsets[-1])
        items, events = np.empty(count, np.int32), np.empty(count, np.int8)
        times = np.empty(count, np.float64)
        for start, batch in self.event_batches():
            rows = slice(start, start + len(batch))
            items[rows], events[rows], times[rows] = (c.to_numpy() for c in batch.columns)
        return Histories(
            users=tuple(users),
            offsets=offsets,
            items=items,
            events=events,
            times=times,
            ordinal=self.manifest.ordinal,
        )

    def event_schema(self) -> pa.Schema:
        """Columns of `event_batches`."""
        return parquet.read_schema(self._folder / "events.parquet")

    def event_batches(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Number of the first row, and rows (item, event, time)."""
        start = 0
        with parquet.ParquetFile(self._folder / "events.parquet") as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield start, batch
                start += len(batch)

    def _read(self, name: str) -> pa.Table:
        return parquet.read_table(self._folder / f"{name}.parquet")

    def features(self) -> tuple[Features, ...]:
        """Feature columns of the items, in the catalogue's order; none where none were ingested."""
        path = self._folder / "features.parquet"
        return read_features(path, self.catalogue()) if path.name in self.manifest.files else ()

    def copy_catalogue(self, writer: SnapshotWriter) -> None:
        """Take the catalogue and its feature columns over into the next snapshot."""
        for name in ("catalogue", "features"):
            if f"{name}.parquet" in self.manifest.files:
                table = self._read(name)
                writer.write(name, table.schema, table.to_batches())


def table_catalogue(table: pa.Table) -> Catalogue:
    """The catalogue out of its table."""
    columns = (table.column(n).to_pylist() for n in ("item", "title", "categories"))
    item_ids, titles, categories = map(tuple, columns)
    descriptions = tuple(table.column("description").to_pylist())
    return Catalogue(
        item_ids=item_ids, titles=titles, categories=categories, descriptions=descriptions
    )


def now_text() -> str:
    """The present moment in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(value, indent=1).encode(), private=True)


def _present(store: Path) -> Path:
    pointer = store / "current.json"
    if not pointer.exists():
        raise NoSnapshotError("there is no data yet", where=str(store))
    return store / str(read_json(pointer)["snapshot"])


def _manifest(folder: Path) -> Manifest:
    try:
        manifest = Manifest(**read_json(folder / "manifest.json"))
    except (OSError, ValueError, TypeError) as error:
        raise DamagedSnapshotError("no readable manifest", where=str(folder)) from error
    if manifest.format != FORMAT:
        raise DamagedSnapshotError(f"format {manifest.format}, not {FORMAT}", where=str(folder))
    return manifest
