"""The statistics of a plan that were released so far, as one flat vector in the server's state.

Of each release, in the plan's order: one number for each partner, 1 if it is in the sum and 0 if
not, then the sum. Without survivors a release was not opened, or not yet. All parties hold the same
float32 numbers, and what comes later is bound to their digest, so that a node which missed a sum
can be given it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.plan import TrainingPlan
from shared.statistics import (
    Float32s,
    Float64s,
    Int64s,
    ReleaseName,
    most_wanted,
    pair_matrix,
)
from shared.statistics_session import noise_deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One opened sum.

    Attributes
    ----------
    vector
        (length,) what was counted, with noise.
    survivors
        Partner ids in it.
    """

    vector: Float32s
    survivors: tuple[int, ...]


def releases_of(plan: TrainingPlan) -> tuple[ReleaseName, ...]:
    """What a plan releases before its first round, in this order."""
    return () if plan.statistics is None else plan.statistics.releases


def empty_counts(plan: TrainingPlan) -> Float32s:
    """(L,) nothing was released yet; L is 0 where a plan has no statistics."""
    return np.zeros(sum(_size(plan, name) for name in releases_of(plan)), dtype=np.float32)


def with_release(
    plan: TrainingPlan, counts: Float32s, name: ReleaseName, found: Released
) -> Float32s:
    """(L,) `counts` and the release `name` in it."""
    start, people = _start(plan, name), len(plan.partners)
    flags = [float(partner.id in found.survivors) for partner in plan.partners]
    kept = counts.copy()
    kept[start : start + people] = flags
    kept[start + people : start + _size(plan, name)] = found.vector
    return kept


def released(plan: TrainingPlan, counts: Float32s, name: ReleaseName) -> Released | None:
    """The release `name` in `counts`; None if it was not opened."""
    if name not in releases_of(plan):
        return None
    start, people = _start(plan, name), len(plan.partners)
    flags = counts[start : start + people]
    survivors = tuple(p.id for p, flag in zip(plan.partners, flags, strict=True) if flag)
    vector = counts[start + people : start + _size(plan, name)]
    return Released(vector=vector, survivors=survivors) if survivors else None


def frequent_places(plan: TrainingPlan, counts: Float32s) -> Int64s:
    """(F,) places of the articles whose pairs are counted; empty before popularity is released."""
    popularity = released(plan, counts, "popularity")
    if plan.statistics is None or popularity is None or "pairs" not in releases_of(plan):
        return np.zeros(0, dtype=np.int64)
    return most_wanted(popularity.vector.astype(np.float64), plan.statistics.pair_cells)


def believed_pairs(plan: TrainingPlan, counts: Float32s) -> Float64s:
    """(F, F) pairs of the frequent articles; what noise alone may have made is zero."""
    places, pairs = frequent_places(plan, counts), released(plan, counts, "pairs")
    if plan.statistics is None or pairs is None:
        return np.zeros((len(places), len(places)))
    deviation = noise_deviation(plan, pairs.survivors, "pairs")
    clusters = bool(plan.statistics.clusters)
    return pair_matrix(pairs.vector.astype(np.float64), len(places), deviation, diagonal=clusters)


def _size(plan: TrainingPlan, name: ReleaseName) -> int:
    length = 0 if plan.statistics is None else plan.statistics.length(name)
    return len(plan.partners) + length


def _start(plan: TrainingPlan, name: ReleaseName) -> int:
    names = releases_of(plan)
    return sum(_size(plan, before) for before in names[: names.index(name)])
