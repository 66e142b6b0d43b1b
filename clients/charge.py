"""What a round of a plan costs a platform, from public numbers alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from shared.distributed import cost_of_round
from shared.plan import Partner, PrivacyTerms, TrainingPlan
from shared.privacy.accounting import Budget, Cost, Mechanism, calibrate_noise
from shared.privacy.banded import banded_mechanism
from shared.start import session_policy
from shared.statistics_session import statistics_costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one round costs and under which cap.

    Attributes
    ----------
    mechanisms
        One of each model that is trained: the behaviour model's first, then the content model's.
        They are reserved together, before the first of them runs.
    budget
        Cap of the plan.
    """

    mechanisms: tuple[Cost, ...]
    budget: Budget


def charge_of(plan: TrainingPlan, partner: Partner) -> Charge | None:
    """Cost of one round of `plan` at `partner`; None if the plan has no privacy.

    Noise multipliers are the smallest ones, in the ratio that the plan fixes, with which all rounds
    of all models together stay within the plan's epsilon; the node computes them, nobody tells it.
    """
    if plan.privacy is None:
        return None
    users = partner.declared_users
    budget = _budget(plan.privacy, users)
    if plan.distributed:
        return Charge(
            mechanisms=(cost_of_round(plan, partner, session_policy(plan)),), budget=budget
        )
    a_round = _round(plan, plan.privacy, users)
    whole = tuple(replace(mechanism, steps=plan.rounds * mechanism.steps) for mechanism in a_round)
    noise = _noise(plan.privacy, users, whole, statistics_costs(plan, partner))
    return Charge(mechanisms=tuple(m.scaled(noise) for m in a_round), budget=budget)


def _round(plan: TrainingPlan, terms: PrivacyTerms, users: int) -> tuple[Mechanism, ...]:
    """One round of each model, the behaviour model's noise multiplier being 1."""
    behaviour = banded_mechanism(
        noise_multiplier=1.0,
        group_rate=plan.local.group_rate(users, terms.bands),
        steps=plan.local.steps,
        bands=terms.bands,
    )
    if plan.content is None:
        return (behaviour,)
    content = Mechanism(
        noise_multiplier=plan.content.relative_noise,
        sample_rate=plan.content.local.sample_rate(users),
        steps=plan.content.local.steps,
    )
    return behaviour, content


def _budget(terms: PrivacyTerms, declared_users: int) -> Budget:
    return Budget(epsilon=terms.epsilon, delta=terms.delta(declared_users))


@lru_cache(maxsize=64)
def _noise(
    terms: PrivacyTerms,
    declared_users: int,
    planned: tuple[Mechanism, ...],
    spent: tuple[Cost, ...],
) -> float:
    own = [cost for cost in spent if isinstance(cost, Mechanism)]
    return calibrate_noise(planned, _budget(terms, declared_users), spent=own)
