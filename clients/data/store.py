"""A node's store: the snapshot of the last ingestion, and what has happened since.

::

    HOME/store/current.json              which snapshot is in use
    HOME/store/snapshot-7/               catalogue, users, events, manifest
    HOME/store/state.db                  live events, reactions, opt-outs
    HOME/store/lock, served              held by a command that changes the store; by services
"""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from clients.data.codes import normal_id
from clients.data.dataset import Catalogue, Histories
from clients.data.features import Features
from clients.data.intake import LONGEST_ID
from clients.data.merging import with_live_events, without_users
from clients.data.pseudonyms import PseudonymKey
from clients.data.snapshot import Snapshot
from clients.data.state import NodeState
from clients.data.store_errors import (
    LiveRowError,
    NoSnapshotError,
    OtherKeyError,
    ServedError,
    StoreBusyError,
)
from clients.home import NodeHome
from clients.ranking.request import FEEDBACK_KINDS
from shared.contract import EVENT_TYPES
from shared.errors import DataError

SERVED: Final = "served"
"""Lock file of the services that hold the pseudonym key in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """Something a user just did.

    Attributes
    ----------
    user
        Pseudonym.
    item
        Item id.
    event
        One of `shared.contract.EVENT_TYPES`.
    time
        Seconds since 1970.
    """

    user: str
    item: str
    event: str
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What a user did with something that was recommended.

    Attributes
    ----------
    user
        Pseudonym.
    item
        Item id.
    kind
        One of `clients.ranking.request.FEEDBACK_KINDS`.
    time
        Seconds since 1970.
    """

    user: str
    item: str
    kind: str
    time: float


class NodeStore:
    """What a node knows about its platform; safe to use from several threads.

    Parameters
    ----------
    home
        The node.
    """

    def __init__(self, home: NodeHome) -> None:
        self._home = home

    @cached_property
    def state(self) -> NodeState:
        """The database of live data."""
        return NodeState(self._home.store / "state.db")

    @cached_property
    def _key(self) -> PseudonymKey:
        self.require_settled_key()
        return PseudonymKey.load(self._home.pseudonym_key)

    def pseudonym(self, user_id: str) -> str:
        """The pseudonym of a raw user id, 32 hexadecimal digits, as ingestion makes it.

        Raises
        ------
        LiveRowError
            The id is empty or longer than 512 characters.
        PseudonymKeyError, OtherKeyError
        """
        normal = normal_id(user_id)
        if not 0 < len(normal) <= LONGEST_ID:
            raise LiveRowError(f"a user id of {len(normal)} characters", remedy="1 to 512")
        return self._key.pseudonym(normal)

    def load(self) -> tuple[Catalogue, Histories]:
        """The catalogue, and every user's history, live events included, oldest first.

        Users who opted out are not in it. Live events on items that are not in the catalogue wait
        until the item is ingested.

        Raises
        ------
        NoSnapshotError, DamagedSnapshotError, StateError, OtherKeyError
        """
        snapshot = self._snapshot()
        catalogue = snapshot.catalogue()
        histories = without_users(snapshot.histories(), self._opted_out())
        return catalogue, with_live_events(histories, catalogue, self.state.events())

    def item_columns(self) -> dict[str, list[str]]:
        """Further columns of the items (price, stock, ...) by name, N values each, ``""`` unknown.

        Raises
        ------
        NoSnapshotError, DamagedSnapshotError
        """
        return self._snapshot().item_columns()

    def features(self) -> tuple[Features, ...]:
        """Feature columns of the items, in the catalogue's order.

        Raises
        ------
        NoSnapshotError, DamagedSnapshotError
        """
        return self._snapshot().features()

    def append_events(self, events: Sequence[LiveEvent]) -> int:
        """Keep live events; on the disk when this returns. Returns how many were kept.

        Those of users who opted out are dropped.

        Raises
        ------
        LiveRowError
            Then none of them is kept.
        StateError
        """
        rows = [(_user(e.user), _item(e.item), _event(e.event), _time(e.time)) for e in events]
        kept = [row for row in rows if not self.state.has_opted_out(row[0])]
        self.state.insert_events(kept)
        return len(kept)

    def append_feedback(self, reactions: Sequence[Reaction]) -> int:
        """Keep reactions; on the disk when this returns. Returns how many were kept.

        Those of users who opted out are dropped.

        Raises
        ------
        LiveRowError
            Then none of them is kept.
        StateError
        """
        rows = [(_user(r.user), _item(r.item), _kind(r.kind), _time(r.time)) for r in reactions]
        kept = [row for row in rows if not self.state.has_opted_out(row[0])]
        self.state.insert_feedback(kept)
        return len(kept)

    def feedback(self, user: str | None = None) -> list[Reaction]:
        """Reactions in order of arrival, of one user (pseudonym) or all."""
        rows = self.state.feedback(None if user is None else _user(user))
        return [Reaction(user=u.hex(), item=i, kind=k, time=t) for u, i, k, t in rows]

    def events(self, user: str | None = None) -> list[LiveEvent]:
        """Live events in order of arrival, of one user (pseudonym) or all."""
        rows = self.state.events(None if user is None else _user(user))
        return [
            LiveEvent(user=u.hex(), item=i, event=EVENT_TYPES[e], time=t) for u, i, e, t in rows
        ]

    def has_opted_out(self, user: str) -> bool:
        """Whether a user (pseudonym) must be treated as unknown; cheap enough for each request."""
        return self.state.has_opted_out(_user(user))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone with the store: one ingestion, erasure or change of keys at a time.

        Raises
        ------
        StoreBusyError
        """
        busy = StoreBusyError("another command is at work", where=str(self._home.store))
        with self._locked("lock", fcntl.LOCK_EX, busy):
            yield

    @contextmanager
    def served(self) -> Iterator[None]:
        """For as long as a service holds the pseudonym key in memory; several services may.

        Raises
        ------
        StoreBusyError
            The key is being changed.
        """
        busy = StoreBusyError("the pseudonym key is being changed", where=str(self._home.store))
        with self._locked(SERVED, fcntl.LOCK_SH, busy):
            yield

    @contextmanager
    def unserved(self) -> Iterator[None]:
        """While no service runs and none may start: it would go on with the former key.

        Raises
        ------
        ServedError
        """
        running = ServedError("isthmus-node serve is running", where=str(self._home.root))
        with self._locked(SERVED, fcntl.LOCK_EX, running):
            yield

    def require_settled_key(self) -> None:
        """Insist that no change of the pseudonym key is under way.

        Raises
        ------
        OtherKeyError
        """
        if next_key_file(self._home).exists():
            raise OtherKeyError("a change of the pseudonym key is unfinished")

    def snapshot_or_none(self) -> Snapshot | None:
        """The present snapshot, if anything was ingested yet."""
        try:
            return Snapshot(self._home.store)
        except NoSnapshotError:
            return None

    @contextmanager
    def _locked(self, name: str, how: int, refusal: DataError) -> Iterator[None]:
        """Hold a lock file of the store; the kernel releases it when the process is gone."""
        self._home.store.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._home.store / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise refusal from error
            yield
        finally:
            os.close(descriptor)

    def _snapshot(self) -> Snapshot:
        snapshot = Snapshot(self._home.store)
        if snapshot.manifest.key_id != self._key.key_id:
            raise OtherKeyError(
                f"the store was made with key {snapshot.manifest.key_id}, not {self._key.key_id}",
                where=str(self._home.store),
                remedy="put the former key back, or ingest again",
            )
        return snapshot

    def _opted_out(self) -> set[str]:
        return {user.hex() for user in self.state.opted_out()}


def next_key_file(home: NodeHome) -> Path:
    """Where the next pseudonym key stands while keys change."""
    return home.pseudonym_key.with_name("pseudonym.key.next")


def _user(pseudonym: str) -> bytes:
    try:
        raw = bytes.fromhex(pseudonym)
    except ValueError:
        raw = b""
    if len(raw) != 16:
        # The value may be a raw user id, so it is not shown.
        raise LiveRowError("not a pseudonym", remedy="use NodeStore.pseudonym(user_id)")
    return raw


def _item(item: str) -> str:
    normal = normal_id(item)
    if not 0 < len(normal) <= LONGEST_ID:
        raise LiveRowError(f"an item id of {len(normal)} characters", remedy="1 to 512")
    return normal


def _event(event: str) -> int:
    if event not in EVENT_TYPES:
        raise LiveRowError(f"no event type {event[:40]!r}", remedy=", ".join(EVENT_TYPES))
    return EVENT_TYPES.index(event)


def _kind(kind: str) -> str:
    if kind not in FEEDBACK_KINDS:
        raise LiveRowError(f"no kind of feedback {kind[:40]!r}", remedy=", ".join(FEEDBACK_KINDS))
    return kind


def _time(seconds: float) -> float:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise LiveRowError(f"time {seconds!r}", remedy="seconds since 1970")
    return float(seconds)
