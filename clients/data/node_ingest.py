"""Ingestion into a node's store: from `node.toml` to the next snapshot, all or nothing.

Whatever interrupts it, the former snapshot stays in use and the same command does it again; the
watermark of the event source is part of the snapshot, so no row is skipped either.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from clients.data.assembly import present_users
from clients.data.config import DataConfig
from clients.data.dataset import Int64s
from clients.data.features import features_table, read_features
from clients.data.ingest import NOTHING_CARRIED, Cleaned, Standing, cleaned
from clients.data.ordering import Events
from clients.data.origins import NoOriginError, open_origin
from clients.data.pseudonyms import PseudonymKey
from clients.data.report import ValidationReport
from clients.data.snapshot import (
    Manifest,
    Snapshot,
    SnapshotWriter,
    now_text,
    table_catalogue,
)
from clients.data.sources import Source
from clients.data.staging import CARRIED, Carried
from clients.data.store import NodeStore
from clients.home import NodeHome
from shared.progress import SILENT, Reporter, Step

DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIngestion:
    """One ingestion of a node.

    Attributes
    ----------
    home
        The node.
    name
        The platform's name.
    config
        Its section ``[data]``.
    key
        Key of the pseudonyms.
    now
        Seconds since 1970.
    """

    home: NodeHome
    name: str
    config: DataConfig
    key: PseudonymKey
    now: float

    @classmethod
    def of(
        cls, home: NodeHome, name: str, config: DataConfig, key: PseudonymKey | None = None
    ) -> NodeIngestion:
        """An ingestion at this moment, with the node's own key if no other is given."""
        return cls(
            home=home,
            name=name,
            config=config,
            key=key or PseudonymKey.load(home.pseudonym_key),
            now=time.time(),
        )

    def run(self, store: NodeStore, progress: Reporter = SILENT) -> ValidationReport:
        """Read, clean, and make the result the store's present snapshot.

        Raises
        ------
        DataError
            The store is as it was.
        """
        with store.changing():
            store.require_settled_key()
            return self.run_alone(store, progress)

    def run_alone(
        self,
        store: NodeStore,
        progress: Reporter = SILENT,
        *,
        opted_out: Sequence[bytes] | None = None,
    ) -> ValidationReport:
        """The same for a caller that is alone with the store already.

        Parameters
        ----------
        opted_out
            Pseudonyms of users who are left out; those of the store if not given.
        """
        before = self._carried_from(store)
        events = self._events(before)
        items = self._items()
        standing = Standing(
            carried=NOTHING_CARRIED if before is None else carried_events(before),
            opted_out=sorted(store.state.opted_out()) if opted_out is None else opted_out,
            earliest=self.earliest,
        )
        with cleaned(
            self.name,
            events=events,
            items=items,
            key=self.key,
            mapping=self.config.mapping(),
            limits=self.config.limits,
            now=self.now,
            standing=standing,
            progress=progress,
        ) as result:
            report = self._write(result, events, before, progress)
        if self.earliest is not None:
            store.state.expire(self.earliest)
        return report

    @property
    def earliest(self) -> float | None:
        """Seconds since 1970 at which the retention period begins."""
        days = self.config.retention_days
        return None if days is None else self.now - days * DAY

    def _carried_from(self, store: NodeStore) -> Snapshot | None:
        """The snapshot to which new rows are added, if the source is read piece by piece."""
        if not self.config.events.watermark:
            return None
        before = store.snapshot_or_none()
        usable = before is not None and before.manifest.watermark is not None
        same_key = before is not None and before.manifest.key_id == self.key.key_id
        return before if usable and same_key else None

    def event_source(self) -> Source:
        """The whole event source, whatever was read before.

        Raises
        ------
        NoOriginError
        """
        return self._events(None)

    def _events(self, before: Snapshot | None) -> Source:
        if not self.config.events.given:
            raise NoOriginError("no events", where="[data.events]")
        since = None if before is None else before.manifest.watermark
        return open_origin(self.home, self.config.events, since=since)

    def _items(self) -> Source | None:
        return open_origin(self.home, self.config.items) if self.config.items.given else None

    def _write(
        self, result: Cleaned, events: Source, before: Snapshot | None, progress: Reporter
    ) -> ValidationReport:
        step, writer = progress.step("store"), SnapshotWriter(self.home.store)
        try:
            writer.events(_told(result.ordered, step))
            report = result.checked()
            items = writer.catalogue(result.database, self.config.items.extra)
            self._write_features(writer, items)
            users, lengths = present_users(result.database, result.ordered.counts)
            writer.users(users, lengths)
            last = getattr(events, "watermark", None)
            if last is None and before is not None:
                last = before.manifest.watermark  # nothing new
            writer.publish(
                Manifest(
                    created=now_text(),
                    platform=self.name,
                    key_id=self.key.key_id,
                    ordinal=result.ordinal,
                    users=len(users),
                    items=items.num_rows,
                    events=int(lengths.sum()),
                    watermark=last,
                )
            )
        except BaseException:
            writer.discard()
            raise
        return report

    def _write_features(self, writer: SnapshotWriter, items: pa.Table) -> None:
        """Take the platform's feature columns over, in the order of the catalogue."""
        if self.config.features.path:
            terms, catalogue = self.config.features, table_catalogue(items)
            found = read_features(self.home.root / terms.path, catalogue)
            named = [replace(f, encoder=terms.encoders.get(f.name, f.encoder)) for f in found]
            writer.features(features_table(named, catalogue))


def _told(ordered: Iterable[Events], step: Step) -> Iterator[Events]:
    """The same, reported to `step`."""
    done = 0
    for events in ordered:
        yield events
        done += len(events)
        step(done, 0, "events")
    step(done, done, "events")


def carried_events(snapshot: Snapshot) -> Carried:
    """The events of a snapshot as rows before those of the next source, in order."""
    users, offsets = snapshot.users()
    return Carried(
        users=users,
        items=snapshot.catalogue().item_ids,
        batches=_carried_batches(snapshot, offsets),
    )


def _carried_batches(snapshot: Snapshot, offsets: Int64s) -> Iterator[pa.RecordBatch]:
    total = int(offsets[-1])
    for start, batch in snapshot.event_batches():
        rows = np.arange(start, start + len(batch))
        owners = np.searchsorted(offsets, rows, side="right") - 1
        columns = [
            pa.array(rows - total),  # below 1: before every row of the source
            pa.array(owners.astype(np.int32)),
            batch.column("item"),
            batch.column("time"),
            batch.column("event"),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=CARRIED)
