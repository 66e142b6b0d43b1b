"""Two more ways of asking the same question: users never trained on, and the future.

`user_fold` is k-fold cross-validation over users: the test users' histories are not trained on at
all, so it measures how well a model serves people it has not met. `time_split` cuts every history
at the same moments: nothing that happened after the test begins is trained on, so it does not leak
across users in time as leave-one-out does.
"""

from __future__ import annotations

import numpy as np

from clients.data.dataset import Histories, Int64s
from clients.evaluation.errors import NoTimesError
from clients.evaluation.split import Fold, LeaveOneOut, leave_one_out, prefixes


def user_fold(histories: Histories, *, folds: int, fold: int, seed: int) -> LeaveOneOut:
    """Split number `fold` of `folds`: the users of one fold are tested, the others trained on.

    A test user is asked for its last new item, given what came before. Of each other user the last
    new item validates, and what precedes it is trained on.

    Parameters
    ----------
    seed
        Of the partition of users; the `folds` splits of one seed test every user once.
    """
    place = np.random.default_rng(seed).permutation(len(histories)) % folds
    tested, others = np.flatnonzero(place == fold), np.flatnonzero(place != fold)
    remaining = histories.take(others)
    questions = leave_one_out(remaining).test
    return LeaveOneOut(
        training=remaining.first(_lengths_before(questions, remaining)),
        validation=questions,
        test=leave_one_out(histories.take(tested)).test,
    )


def time_split(
    histories: Histories, *, validation_share: float = 0.1, test_share: float = 0.1
) -> LeaveOneOut:
    """Cut all histories at two moments, so that the last events of the platform are the test.

    Training is what happened before the first moment. Each user's first new item between the two
    validates, its first new item after the second is the test; the contexts are what the user had
    done until the *moment*, as a model that was trained then would see it. Users without an event
    before a moment are not asked.

    Parameters
    ----------
    validation_share, test_share
        Shares of all events that lie between the moments, and after the second.

    Raises
    ------
    NoTimesError
        The source knows only the order of events.
    """
    if histories.ordinal:
        raise NoTimesError("the events have an order but no times")
    shares = [1.0 - validation_share - test_share, 1.0 - test_share]
    first, second = np.quantile(histories.times, shares) if len(histories.times) else (0.0, 0.0)
    return LeaveOneOut(
        training=histories.first(_before(histories, first)),
        validation=_next_new(histories, first, second),
        test=_next_new(histories, second, np.inf),
    )


def _lengths_before(questions: Fold, histories: Histories) -> Int64s:
    """(U,) events before each user's question; all of a user that is not asked."""
    asked = dict(zip(questions.contexts.users, questions.contexts.lengths, strict=True))
    whole = zip(histories.users, histories.lengths, strict=True)
    return np.array([asked.get(user, length) for user, length in whole], dtype=np.int64)


def _before(histories: Histories, moment: float) -> Int64s:
    """(U,) number of each user's events before `moment`."""
    running = np.concatenate([[0], np.cumsum(histories.times < moment)])
    return np.asarray(running[histories.offsets[1:]] - running[histories.offsets[:-1]])


def _next_new(histories: Histories, start: float, end: float) -> Fold:
    """The first item in [start, end) that each user with earlier events had not met before."""
    known = _before(histories, start)
    until = _before(histories, end)
    rows, targets = [], []
    for user in np.flatnonzero((known > 0) & (until > known)):
        items = histories.items_of(int(user))
        new = [i for i in items[known[user] : until[user]] if i not in items[: known[user]]]
        if new:
            rows.append(user)
            targets.append(new[0])
    chosen = np.array(rows, dtype=np.int64)
    return Fold(
        contexts=prefixes(histories, chosen, known[chosen]),
        targets=np.array(targets, dtype=np.int32),
    )
