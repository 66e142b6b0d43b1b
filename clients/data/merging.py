"""Histories with what happened since they were stored, and without whoever left."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from clients.data.dataset import Catalogue, Float64s, Histories, Int32s, Int64s


def without_users(histories: Histories, users: Set[str]) -> Histories:
    """The histories of everybody but `users`."""
    if not users:
        return histories
    stay = [row for row, name in enumerate(histories.users) if name not in users]
    return histories if len(stay) == len(histories) else histories.take(stay)


def with_live_events(
    histories: Histories, catalogue: Catalogue, rows: Sequence[tuple[Any, ...]]
) -> Histories:
    """Add live events in their place in time; new users come last, in order of arrival.

    Parameters
    ----------
    rows
        (user as 16 bytes, item id, event type, seconds) in order of arrival. An event on an item
        that `catalogue` does not have is left out, as is one that the histories hold already:
        the platform's own tables bring live events a second time.
    """
    items = {item: index for index, item in enumerate(catalogue.item_ids)}
    known = [row for row in rows if row[1] in items]
    if not known:
        return histories
    names = {name: row for row, name in enumerate(histories.users)}
    users = [names.setdefault(row[0].hex(), len(names)) for row in known]
    owners = np.repeat(np.arange(len(histories), dtype=np.int64), histories.lengths)
    merged = _Columns(
        users=np.concatenate([owners, np.array(users, np.int64)]),
        items=np.concatenate([histories.items, np.array([items[r[1]] for r in known], np.int32)]),
        events=np.concatenate([histories.events, np.array([r[2] for r in known], np.int8)]),
        times=np.concatenate([histories.times, _times(histories, users, known)]),
    )
    return merged.histories(tuple(names), len(histories.items), ordinal=histories.ordinal)


def _times(histories: Histories, users: list[int], rows: Sequence[tuple[Any, ...]]) -> Float64s:
    """Seconds; where the histories know only positions, positions after the last one."""
    if not histories.ordinal:
        return np.array([row[3] for row in rows], dtype=np.float64)
    last = {u: t[-1] for u in set(users) if u < len(histories) and len(t := _of(histories, u))}
    found = np.empty(len(rows))
    for number, user in enumerate(users):
        last[user] = found[number] = last.get(user, -1.0) + 1.0
    return found


def _of(histories: Histories, user: int) -> Float64s:
    return histories.times[histories.offsets[user] : histories.offsets[user + 1]]


class _Columns:
    """Events in any order, the stored ones first."""

    def __init__(self, users: Int64s, items: Int32s, events: Any, times: Float64s) -> None:
        self._users, self._items, self._events, self._times = users, items, events, times

    def histories(self, names: tuple[str, ...], stored: int, *, ordinal: bool) -> Histories:
        """Sorted by user, time and arrival, repetitions of stored events left out."""
        order = np.lexsort((self._times, self._users))  # stable: arrival decides among equals
        order = order[~self._repeats(order, stored)]
        counts = np.bincount(self._users[order], minlength=len(names))
        present = np.flatnonzero(counts)
        return Histories(
            users=tuple(names[row] for row in present),
            offsets=np.concatenate(([0], np.cumsum(counts[present]))).astype(np.int64),
            items=self._items[order],
            events=self._events[order],
            times=self._times[order],
            ordinal=ordinal,
        )

    def _repeats(self, order: Int64s, stored: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which places of `order` hold a live event that stands elsewhere already."""
        live = np.flatnonzero(order >= stored)
        users, times = self._users[order], self._times[order]
        repeated = np.zeros(len(order), dtype=np.bool_)
        for place in live:
            start = place
            while start > 0 and (users[start - 1], times[start - 1]) == (
                users[place],
                times[place],
            ):
                start -= 1
            among = order[start:place]
            row = order[place]
            same = self._items[among] == self._items[row]
            repeated[place] = bool(np.any(same & (self._events[among] == self._events[row])))
        return repeated
