"""Histories of all platforms as one platform would see them, had they been pooled; lab only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from clients.data.dataset import Catalogue, Histories, Int64s
from clients.recommenders.base import sparse_of, sparse_state
from clients.recommenders.transitions import Transitions, consecutive_pairs
from simulations.platforms import LabPlatform


def everybodys(platforms: Sequence[LabPlatform], mine: LabPlatform) -> Histories:
    """Training histories of all platforms in the item numbers of `mine`, other items left out.

    Histories stay apart: a person on two platforms is two users.
    """
    found = [_renumbered(platform, mine) for platform in platforms]
    return Histories(
        users=tuple(user for one in found for user in one.users),
        offsets=np.concatenate([[0], np.cumsum(np.concatenate([one.lengths for one in found]))]),
        items=np.concatenate([one.items for one in found]),
        events=np.concatenate([one.events for one in found]),
        times=np.concatenate([one.times for one in found]),
        ordinal=mine.split.training.ordinal,
    )


def _renumbered(platform: LabPlatform, mine: LabPlatform) -> Histories:
    numbers = {item: number for number, item in enumerate(mine.catalogue.item_ids)}
    number_of = np.array([numbers.get(i, -1) for i in platform.catalogue.item_ids], dtype=np.int32)
    theirs = platform.split.training
    items = number_of[theirs.items]
    carried = items >= 0
    owner = np.repeat(np.arange(len(theirs)), theirs.lengths)[carried]
    lengths = np.bincount(owner, minlength=len(theirs))
    return Histories(
        users=tuple(f"{platform.name}/{user}" for user in theirs.users),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        items=items[carried],
        events=theirs.events[carried],
        times=theirs.times[carried],
        ordinal=theirs.ordinal,
    )


def transitions_of_several(pool: Histories, catalogue: Catalogue, least: int) -> Transitions:
    """Transitions that `least` or more users of `pool` made, with the shares they have of all."""
    fitted = Transitions().fit(pool, catalogue)
    shares = sparse_of(fitted.state())
    users = _users_of_pairs(pool, len(catalogue))
    rows = np.repeat(np.arange(len(catalogue)), np.diff(shares.indptr))
    several = np.asarray(users[rows, shares.indices]).ravel() >= least
    kept = sparse.csr_array(
        (shares.data * several, shares.indices, shares.indptr), shape=shares.shape
    )
    return Transitions().restore({**fitted.state(), **sparse_state(kept)})


def _users_of_pairs(pool: Histories, items: int) -> sparse.csr_array:
    """(N, N) how many users met the second item right after the first."""
    first, second = consecutive_pairs(pool)
    owner = np.repeat(np.arange(len(pool)), np.maximum(pool.lengths - 1, 0))
    _, once = np.unique(np.stack([owner, first, second]), axis=1, return_index=True)
    pairs = (np.ones(len(once)), (first[once], second[once]))
    return sparse.csr_array(pairs, shape=(items, items))


def customers_of_transitions(platforms: Sequence[LabPlatform]) -> Int64s:
    """By pair of articles, how many customers of all platforms bought the second right after."""
    found: Counter[tuple[str, str]] = Counter()
    for platform in platforms:
        ids = platform.catalogue.item_ids
        users = _users_of_pairs(platform.split.training, len(ids)).tocoo()
        for first, second, count in zip(users.row, users.col, users.data, strict=True):
            if first != second:
                found[ids[first], ids[second]] += int(count)
    return np.fromiter(found.values(), dtype=np.int64, count=len(found))
