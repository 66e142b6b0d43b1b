"""The steps of a plan: each opens one masked sum, and all pass through the same messages.

Rounds of training are numbered from 1, as people count them. Statistics come before and have the
numbers up to 0: popularity -1 and pairs 0, or popularity alone 0. What the numbers mean follows
from the plan, so nobody can ask for a release that the plan does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shared.hashing import digest
from shared.optimiser import ServerState, advance
from shared.plan import TrainingPlan
from shared.released_counts import Released, frequent_places, releases_of, with_release
from shared.secagg import Session, SessionPolicy
from shared.start import session, session_policy
from shared.statistics import Float64s, ReleaseName
from shared.statistics_session import statistics_policy, statistics_session


def first_step(plan: TrainingPlan) -> int:
    """Number of the first step: 1 where a plan has no statistics."""
    return 1 - len(releases_of(plan))


def release_at(plan: TrainingPlan, number: int) -> ReleaseName | None:
    """What step `number` releases; None for a round of training."""
    return releases_of(plan)[number - first_step(plan)] if number < 1 else None


def releases_before(plan: TrainingPlan, number: int) -> tuple[ReleaseName, ...]:
    """What the steps before step `number` release."""
    return releases_of(plan)[: max(0, number - first_step(plan))]


def can_begin(plan: TrainingPlan, number: int, state: ServerState) -> bool:
    """Whether step `number` has what it needs: pairs are those of the articles most wanted."""
    return release_at(plan, number) != "pairs" or bool(len(frequent_places(plan, state.counts)))


def step_policy(plan: TrainingPlan, number: int) -> SessionPolicy:
    """The secure-aggregation policy of step `number`."""
    release = release_at(plan, number)
    return session_policy(plan) if release is None else statistics_policy(plan, release)


def step_session(plan: TrainingPlan, number: int, attempt: int, state: ServerState) -> Session:
    """The secure-aggregation session of one attempt at step `number`, bound to `state`."""
    release = release_at(plan, number)
    counted = digest("isthmus counts 1", state.counts.astype("<f4").tobytes())
    if release is not None:
        return statistics_session(plan, release, attempt, counted)
    place = session(plan, number, attempt, state.model)
    if not releases_of(plan):
        return place
    return replace(place, model_hash=digest("isthmus state 1", place.model_hash, counted))


def next_state(
    plan: TrainingPlan,
    number: int,
    state: ServerState,
    total: Float64s,
    survivors: Sequence[int],
) -> ServerState:
    """The state after step `number` opened the sum `total` of `survivors`."""
    release = release_at(plan, number)
    if release is None:
        return advance(state, total, survivors, plan)
    found = Released(vector=total.astype(np.float32), survivors=tuple(survivors))
    return replace(state, counts=with_release(plan, state.counts, release, found))
