"""The masked sums that carry a plan's statistics, and what they cost each partner."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from shared.hashing import digest
from shared.plan import Partner, TrainingPlan, suite_of
from shared.privacy.accounting import Cost
from shared.secagg import Session, SessionPolicy
from shared.secagg.noise import released_sum
from shared.secagg.policy import RUN_BYTES
from shared.statistics import ReleaseName, StatisticsTerms

_ROOM = 4
"""Largest count of one partner that the ring holds, in declared users of the largest one."""


@lru_cache(maxsize=32)
def statistics_policy(plan: TrainingPlan, release: ReleaseName) -> SessionPolicy:
    """The secure-aggregation policy of one release; with shared noise where the plan shares it.

    Raises
    ------
    ValueError
        The plan has no statistics.
    shared.secagg.errors.PolicyError
        No ring has room for them.
    """
    terms = _terms(plan)
    policy = SessionPolicy(
        partners={p.id: bytes.fromhex(p.identity) for p in plan.partners},
        colluders=plan.colluders,
        length=terms.length(release),
        clip=float(_ROOM * max(p.declared_users for p in plan.partners)),
        two_parties=len(plan.partners) == 2,
        suite=suite_of(plan.aggregation.suite),
    )
    if plan.distributed:
        return _with_share(policy, terms.noise_multiplier)
    return replace(policy, noise_std=terms.noise_multiplier * min(map(plan.weight, plan.partners)))


def statistics_costs(plan: TrainingPlan, partner: Partner) -> tuple[Cost, ...]:
    """What all releases cost `partner`: set aside before the noise of training is calibrated.

    One user moves a partner's vector by an L2 norm of 1 at most, whatever the partner; weights
    scale vector and noise alike.
    """
    if plan.statistics is None or plan.privacy is None:
        return ()
    return tuple(statistics_cost(plan, name) for name in plan.statistics.releases)


def statistics_cost(plan: TrainingPlan, release: ReleaseName) -> Cost:
    """What one release costs, the same at every partner."""
    if plan.distributed:
        return released_sum(statistics_policy(plan, release), norm=1.0)
    return _terms(plan).mechanism()


def statistics_session(
    plan: TrainingPlan, release: ReleaseName, attempt: int, state: bytes
) -> Session:
    """The session of one attempt at a release.

    Its run id is its own, so that it shares no one-use lock with a round of training.

    Parameters
    ----------
    state
        Digest of all that was released before: nodes that chose other articles for the pairs cannot
        complete the sum.
    """
    name = release.encode()
    return Session(
        run_id=digest("isthmus statistics run 1", bytes.fromhex(plan.run_id), name)[:RUN_BYTES],
        round=0,
        attempt=attempt,
        plan_hash=plan.digest(),
        model_hash=digest("isthmus statistics state 1", name, state),
    )


def noise_deviation(plan: TrainingPlan, survivors: tuple[int, ...], release: ReleaseName) -> float:
    """Standard deviation of the noise in the opened sum of `survivors`."""
    if plan.distributed:
        return float(statistics_policy(plan, release).share_noise * len(survivors) ** 0.5)
    weights = [plan.weight(p) for p in plan.partners if p.id in survivors]
    return float(_terms(plan).noise_multiplier * sum(w * w for w in weights) ** 0.5)


def _terms(plan: TrainingPlan) -> StatisticsTerms:
    if plan.statistics is None:
        raise ValueError("the plan has no statistics")
    return plan.statistics


def _with_share(policy: SessionPolicy, multiplier: float) -> SessionPolicy:
    """`policy` with the smallest share, in steps of 1%, whose sum has at least `multiplier`."""
    honest = policy.survivor_floor - policy.colluders
    share = multiplier / honest**0.5
    while True:
        noised = replace(policy, share_noise=float(f"{share:.4g}"))
        if released_sum(noised, norm=1.0).noise_multiplier >= multiplier:
            return noised
        share *= 1.01
