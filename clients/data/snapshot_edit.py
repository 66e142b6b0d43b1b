"""The next snapshot as the present one without some users; never all events in memory."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clients.data.snapshot import Snapshot, SnapshotWriter

Flags = NDArray[np.bool_]


def remove_users(store: Path, snapshot: Snapshot, users: Set[str]) -> int:
    """Publish a snapshot without `users` (pseudonyms); returns how many events went with them.

    The files of the former snapshot are deleted. Nothing is written if none of them is in it.
    """
    names, offsets = snapshot.users()
    gone = np.array([name in users for name in names], dtype=np.bool_)
    if not gone.any():
        return 0
    counts = np.diff(offsets)
    stay = np.repeat(~gone, counts)
    writer = SnapshotWriter(store)
    try:
        snapshot.copy_catalogue(writer)
        left = pa.record_batch(
            {
                "user": pa.array([n for n, left in zip(names, ~gone, strict=True) if left]),
                "events": pa.array(counts[~gone].astype(np.int32)),
            },
            schema=pa.schema([("user", pa.string()), ("events", pa.int32())]),
        )
        writer.write("users", left.schema, [left])
        writer.write("events", snapshot.event_schema(), _kept(snapshot, stay))
        manifest = replace(snapshot.manifest, users=len(left), events=int(stay.sum()))
        writer.publish(manifest)
    except BaseException:
        writer.discard()
        raise
    return int((~stay).sum())


def _kept(snapshot: Snapshot, stay: Flags) -> Iterator[pa.RecordBatch]:
    for start, batch in snapshot.event_batches():
        yield batch.filter(pa.array(stay[start : start + len(batch)]))
