"""A training plan in plain words, for the people who approve it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.plan import Partner, TrainingPlan
from shared.statistics import StatisticsTerms


def describe(plan: TrainingPlan, partner: Partner | None, spent: float, lifetime: float) -> str:
    """What the plan wants from this node, what it costs and who takes part.

    Parameters
    ----------
    partner
        This node's entry in the plan; None if it has none.
    spent, lifetime
        Epsilon charged so far at this node, and its cap over all plans.
    """
    return "\n".join(_lines(plan, partner, spent, lifetime))


def difference(old: TrainingPlan, new: TrainingPlan) -> tuple[str, ...]:
    """Every field that differs between two plans, as ``field: old → new``; run ids left out."""
    before, after = (dict(_flat(p.model_dump(mode="json"))) for p in (old, new))
    names = sorted((before.keys() | after.keys()) - {"run_id"})
    return tuple(
        f"{name}: {before.get(name, '—')} → {after.get(name, '—')}"
        for name in names
        if before.get(name) != after.get(name)
    )


def _lines(
    plan: TrainingPlan, partner: Partner | None, spent: float, lifetime: float
) -> Iterator[str]:
    yield f"Plan {plan.digest().hex()}"
    yield f"  purpose      {plan.purpose or '(none given)'}"
    yield f"  partners     {', '.join(p.name for p in plan.partners)}"
    yield f"  rounds       {plan.rounds}, {plan.local.steps} local steps each"
    yield f"  encoder      {plan.encoder.name} ({plan.encoder.fingerprint[:16]})"
    if plan.initial_weights is not None:
        named = plan.initial_weights
        yield f"  starts from  weights trained on {named.source} ({named.digest[:16]})"
    for column in plan.model.modalities:
        yield f"  items        texts and the column {column.name} ({column.encoder})"
    yield f"  what is sent {_sent(plan)}"
    if plan.statistics is not None:
        yield f"  and before   {_statistics(plan.statistics)}"
    yield f"  privacy      {_privacy(plan, partner)}"
    yield f"  budget here  epsilon {spent:.3f} of {lifetime:g} spent over all plans so far"


def _sent(plan: TrainingPlan) -> str:
    size = plan.parameters * plan.aggregation.ring_bits // 8
    return (
        f"a masked vector of {plan.parameters:,} numbers ({size / 1e6:.2f} MB) a round, "
        f"{' and '.join(plan.models)}; "
        f"only the sum over all partners can be read ({plan.aggregation.suite})"
    )


def _statistics(terms: StatisticsTerms) -> str:
    what = (
        f"{terms.clusters} public clusters of items"
        if terms.clusters
        else f"{terms.article_count:,} articles that partners share ({terms.articles[:16]})"
    )
    pairs = f", and pairs of {terms.pair_cells:,} of them" if "pairs" in terms.releases else ""
    return (
        f"masked and noised (multiplier {terms.noise_multiplier:g}, inside the same epsilon): how "
        f"wanted {what} are{pairs}; only the sum over all partners can be read"
    )


def _privacy(plan: TrainingPlan, partner: Partner | None) -> str:
    if plan.privacy is None:
        return "NONE: updates are not noised; refuse this unless the data is public"
    terms = plan.privacy
    delta = f"{terms.delta(partner.declared_users):.2g}" if partner else "set by declared users"
    trust = (
        "trusting secure aggregation and all partners but "
        f"{plan.colluders} (each adds a share of the noise)"
        if plan.distributed
        else "trusting nobody else (this node adds all of its noise)"
    )
    return (
        f"user-level (one user at this platform, add or remove): epsilon {terms.epsilon:g}, "
        f"delta {delta} over the whole plan, {trust}{_correlation(terms.bands)}"
    )


def _correlation(bands: int) -> str:
    if bands == 1:
        return ""
    return f"; banded noise, {bands} groups of users in turn, noise kept secret between rounds"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, part in enumerate(value, start=1):
            yield from _flat(part, f"{name}[{number}]")
    else:
        yield name, value
