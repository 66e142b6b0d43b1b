"""The share of noise follows from the plan, keeps every partner in budget, or is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.distributed import cost_of_round, gradient_scale, sensitivity
from shared.errors import IsthmusError
from shared.plan import Aggregation, LocalSteps, PrivacyTerms
from shared.privacy.accounting import epsilon
from shared.secagg.errors import DistributedNoiseError, NoiseUnreachableError, PolicyError
from shared.start import session_policy
from tests.federation import MODEL
from tests.plans import distributed_plan, make_plan

SHARED = PrivacyTerms(epsilon=8.0, noise="distributed")
ONE = LocalSteps(steps=1)


@settings(max_examples=15, deadline=None)
@given(
    users=st.lists(st.integers(10, 5000), min_size=3, max_size=6),
    rounds=st.integers(1, 60),
    target=st.floats(1, 10),
    bits=st.sampled_from([16, 32]),
)
def test_no_partner_spends_more_than_the_plan_says_and_the_smallest_nearly_all(
    users, rounds, target, bits
):
    plan = distributed_plan(
        tuple(users), rounds=rounds, epsilon=target, model=MODEL, ring_bits=bits
    )
    try:
        policy = session_policy(plan)
    except NoiseUnreachableError:
        assert bits == 16
        return
    spent = []
    for partner in plan.partners:
        step = cost_of_round(plan, partner, policy)
        delta = SHARED.delta(partner.declared_users)
        spent.append(epsilon([replace(step, steps=rounds)], delta))
    assert 0.9 * target < max(spent) <= target


def test_the_noise_of_the_worst_survivor_set_without_colluders_is_what_counts():
    plan = distributed_plan((64,) * 7, model=MODEL, colluders=2)
    policy = session_policy(plan)
    step = cost_of_round(plan, plan.partners[0], policy)
    assert step.honest == policy.survivor_floor - 2 == 3
    more = session_policy(distributed_plan((64,) * 7, model=MODEL, colluders=1))
    assert more.share_noise < policy.share_noise


def test_every_user_of_every_partner_weighs_the_same():
    plan = distributed_plan((32, 64, 64), model=MODEL)
    assert gradient_scale(plan) == 16
    assert sensitivity(plan) == 1.0 * 0.5 / 16


@pytest.mark.parametrize(
    "changes",
    [
        {"local": LocalSteps(steps=2)},
        {"aggregation": Aggregation(weights="declared", colluders=1)},
        {"aggregation": Aggregation(weights="equal", colluders=0)},
    ],
    ids=["several steps", "unequal weights", "no colluder"],
)
def test_combinations_without_a_guarantee_are_refused_by_name(changes):
    valid = {"local": ONE, "aggregation": Aggregation(weights="equal", colluders=1)}
    with pytest.raises(DistributedNoiseError) as refusal:
        make_plan(privacy=SHARED, **{**valid, **changes})
    assert refusal.value.code == "SA-100"


def test_two_partners_cannot_share_noise():
    """Each would know its own half, and c = 1 leaves no honest majority."""
    with pytest.raises(IsthmusError):
        session_policy(distributed_plan((64, 64), model=MODEL))


def test_more_noise_than_the_ring_holds_is_refused_by_name():
    with pytest.raises(NoiseUnreachableError) as refusal:
        session_policy(distributed_plan(epsilon=0.001, ring_bits=16, update_range=0.01))
    assert refusal.value.code == "SA-101"


def test_a_ring_so_coarse_that_rounding_outweighs_a_user_is_refused():
    with pytest.raises(NoiseUnreachableError, match="rounding"):
        session_policy(distributed_plan(ring_bits=16, update_range=100.0, model=MODEL))


def test_the_sixteen_bit_ring_needs_noise_at_least_three_steps_wide():
    small = Aggregation(ring_bits=16)
    assert session_policy(make_plan(aggregation=small)).ring_bits == 16
    with pytest.raises(PolicyError):
        session_policy(make_plan(aggregation=small, privacy=None))
    with pytest.raises(PolicyError):
        session_policy(make_plan(aggregation=Aggregation(ring_bits=16, update_range=16.0)))
