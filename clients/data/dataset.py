"""A platform's cleaned data in memory: catalogue and histories, aligned by integer index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
Int8s = NDArray[np.int8]
Float64s = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A platform's items; position = item index everywhere else.

    Attributes
    ----------
    item_ids, titles, categories, descriptions
        N strings each; a missing text is ``""``. Categories are joined by ``" | "``.
    """

    item_ids: tuple[str, ...]
    titles: tuple[str, ...]
    categories: tuple[str, ...]
    descriptions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.item_ids)

    def texts(self) -> list[str]:
        """``title. categories. description`` of every item, empty parts left out."""
        columns = zip(self.titles, self.categories, self.descriptions, strict=True)
        return [". ".join(part for part in row if part) for row in columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """Every user's events, oldest first, as one flat table cut by `offsets`.

    Attributes
    ----------
    users
        U pseudonyms (never raw ids).
    offsets
        (U + 1,) int64; user u owns rows ``offsets[u]:offsets[u + 1]``.
    items
        (E,) int32 indices into the catalogue.
    events
        (E,) int8 indices into `shared.contract.EVENT_TYPES`.
    times
        (E,) float64, seconds since 1970, or positions where `ordinal` is true.
    ordinal
        The source knows the order of events but not their times.
    """

    users: tuple[str, ...]
    offsets: Int64s
    items: Int32s
    events: Int8s
    times: Float64s
    ordinal: bool = False

    def __len__(self) -> int:
        return len(self.users)

    @property
    def lengths(self) -> Int64s:
        """(U,) number of events of each user."""
        return np.diff(self.offsets)

    def items_of(self, user: int) -> Int32s:
        """Item indices of one user, oldest first."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def take(self, rows: Sequence[int] | Int64s) -> Histories:
        """The histories of the users at `rows`, in that order."""
        rows = np.asarray(rows, dtype=np.int64)
        flat, offsets = _gather(self.offsets[rows], self.lengths[rows])
        return self._cut(tuple(self.users[r] for r in rows), offsets, flat)

    def without_last(self, count: int) -> Histories:
        """Each user's history without its last `count` events (never below empty)."""
        return self.first(np.maximum(self.lengths - count, 0))

    def first(self, counts: Int64s) -> Histories:
        """The first ``counts[u]`` events of each user u; `counts` is (U,)."""
        kept = np.minimum(self.lengths, counts)
        flat, offsets = _gather(self.offsets[:-1], kept)
        return self._cut(self.users, offsets, flat)

    def last(self, count: int) -> Histories:
        """Each user's `count` most recent events."""
        kept = np.minimum(self.lengths, count)
        flat, offsets = _gather(self.offsets[1:] - kept, kept)
        return self._cut(self.users, offsets, flat)

    def _cut(self, users: tuple[str, ...], offsets: Int64s, flat: Int64s) -> Histories:
        return Histories(
            users=users,
            offsets=offsets,
            items=self.items[flat],
            events=self.events[flat],
            times=self.times[flat],
            ordinal=self.ordinal,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformData:
    """One platform: its public name, its private catalogue and its users' histories."""

    name: str
    catalogue: Catalogue
    histories: Histories


def _gather(starts: Int64s, lengths: Int64s) -> tuple[Int64s, Int64s]:
    """Row numbers of the ranges ``starts[i] : starts[i] + lengths[i]`` and their new offsets."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    shift = np.repeat(starts - offsets[:-1], lengths)
    return np.arange(offsets[-1], dtype=np.int64) + shift, offsets
