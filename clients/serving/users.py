"""Every user's history while the service runs: what was loaded, and what has come since."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clients.data.dataset import Histories


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event that just happened: item index, event type, seconds since 1970."""

    item: int
    event: int
    time: float


class Users:
    """Histories by pseudonym; used from one thread.

    Parameters
    ----------
    histories
        What the store held when the service started.
    """

    def __init__(self, histories: Histories) -> None:
        self._loaded = histories
        self._rows: dict[str, int] = {name: row for row, name in enumerate(histories.users)}
        self._changed: dict[str, Histories] = {}

    @property
    def ordinal(self) -> bool:
        """Times are positions."""
        return self._loaded.ordinal

    def names(self) -> tuple[str, ...]:
        """Everybody who has a history."""
        return tuple(dict.fromkeys((*self._rows, *self._changed)))

    def __contains__(self, user: str) -> bool:
        return user in self._changed or user in self._rows

    def history(self, user: str) -> Histories:
        """The one user's history; empty for somebody who is not known."""
        if user in self._changed:
            return self._changed[user]
        row = self._rows.get(user)
        return self._loaded.take([row]) if row is not None else self._nothing(user)

    def append(self, user: str, new: NewEvent) -> bool:
        """Add an event in its place in time; whether it is the latest.

        An event that the history holds already changes nothing and is not the latest.
        """
        old = self.history(user)
        moment = new.time
        if old.ordinal:
            moment = float(old.times[-1]) + 1.0 if len(old.times) else 0.0
        place = int(np.searchsorted(old.times, moment, side="right"))
        start = int(np.searchsorted(old.times, moment, side="left"))
        same = (old.items[start:place] == new.item) & (old.events[start:place] == new.event)
        if same.any():
            return False
        self._changed[user] = Histories(
            users=(user,),
            offsets=np.array([0, len(old.items) + 1], dtype=np.int64),
            items=np.insert(old.items, place, new.item),
            events=np.insert(old.events, place, new.event),
            times=np.insert(old.times, place, moment),
            ordinal=old.ordinal,
        )
        return place == len(old.items)

    def forget(self, user: str) -> None:
        """As if the user had never been here."""
        self._changed.pop(user, None)
        self._rows.pop(user, None)

    def _nothing(self, user: str) -> Histories:
        return Histories(
            users=(user,),
            offsets=np.zeros(2, dtype=np.int64),
            items=np.empty(0, dtype=np.int32),
            events=np.empty(0, dtype=np.int8),
            times=np.empty(0, dtype=np.float64),
            ordinal=self._loaded.ordinal,
        )
