"""Leave-one-out split: the last new item is the test, the one before it the validation.

A recommender never proposes what the user has already seen, so only a user's *first* event with an
item can be a target. Where users meet each item once this is the usual leave-one-out (last item
tested, second last validated, the rest trained on). Where they view, then buy, the repeats behind
a target are dropped, because they would reveal it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Histories, Int32s, Int64s

MIN_ITEMS = 3
"""Users with fewer distinct items are trained on but not evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What a model is asked: the item that comes next after each context.

    Attributes
    ----------
    contexts
        (B) users' histories up to the target, oldest first.
    targets
        (B,) int32, the next item of each of them.
    """

    contexts: Histories
    targets: Int32s

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Int64s) -> Fold:
        """The questions at `rows`, in that order."""
        return Fold(contexts=self.contexts.take(rows), targets=self.targets[rows])

    def sample(self, count: int, seed: int) -> Fold:
        """At most `count` of the questions, drawn with `seed`, in their order."""
        if len(self) <= count:
            return self
        rows = np.random.default_rng(seed).choice(len(self), count, replace=False)
        return self.take(np.sort(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOneOut:
    """A platform's histories cut for training, tuning and testing.

    Attributes
    ----------
    training
        Every user's events before its validation item; all events of users not evaluated.
    validation, test
        Questions about the same users in the same order. The test contexts include the
        validation item.
    """

    training: Histories
    validation: Fold
    test: Fold


def leave_one_out(histories: Histories) -> LeaveOneOut:
    """Split `histories` as described above; the order of events is taken as given."""
    flat_users = np.repeat(np.arange(len(histories)), histories.lengths)
    firsts = np.flatnonzero(_first_occurrences(histories, flat_users))
    per_user = np.bincount(flat_users[firsts], minlength=len(histories))
    rows = np.flatnonzero(per_user >= MIN_ITEMS)
    ends = np.cumsum(per_user)[rows]
    test, validation = firsts[ends - 1], firsts[ends - 2]

    kept = histories.lengths.copy()
    kept[rows] = validation - histories.offsets[rows]
    return LeaveOneOut(
        training=prefixes(histories, np.arange(len(histories)), kept),
        validation=_fold(histories, rows, validation),
        test=_fold(histories, rows, test),
    )


def _first_occurrences(histories: Histories, flat_users: Int64s) -> NDArray[np.bool_]:
    """(E,) whether an event is the user's first with its item."""
    order = np.lexsort((histories.items, flat_users))
    users, items = flat_users[order], histories.items[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    result = np.empty(len(order), dtype=np.bool_)
    result[order] = first
    return result


def _fold(histories: Histories, rows: Int64s, positions: Int64s) -> Fold:
    contexts = prefixes(histories, rows, positions - histories.offsets[rows])
    return Fold(contexts=contexts, targets=histories.items[positions])


def prefixes(histories: Histories, rows: Int64s, lengths: Int64s) -> Histories:
    """The first `lengths[i]` events of user `rows[i]`."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    starts = np.repeat(histories.offsets[rows] - offsets[:-1], lengths)
    flat = np.arange(offsets[-1], dtype=np.int64) + starts
    return Histories(
        users=tuple(histories.users[row] for row in rows),
        offsets=offsets,
        items=histories.items[flat],
        events=histories.events[flat],
        times=histories.times[flat],
        ordinal=histories.ordinal,
    )
