"""A policy that breaks a rule cannot be built, and everything in it changes its digest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.secagg import Refusal, SessionPolicy, Suite, default_colluders
from shared.secagg.policy import MAX_ATTEMPTS
from tests.shared.secagg.grid import keys, policy, session


@pytest.mark.parametrize(
    ("n", "c", "t", "floor"),
    [
        (3, 0, 2, 3),
        (3, 1, 3, 3),
        (4, 1, 3, 3),
        (5, 1, 4, 4),
        (7, 2, 5, 5),
        (10, 3, 7, 7),
        (20, 6, 14, 14),
        (50, 16, 34, 34),
    ],
)
def test_thresholds(n, c, t, floor):
    rules = policy(n, c)
    assert (rules.threshold, rules.survivor_floor) == (t, floor)
    assert default_colluders(10) == 3


def _rule(broken: dict[str, object]) -> str:
    """The same name in every process: keys are random, so they must not be part of it."""
    return "-".join(f"{k}" if k == "partners" else f"{k}={v!r}" for k, v in broken.items())


@pytest.mark.parametrize(
    "broken",
    [
        {"partners": keys([1, 2])},
        {"partners": keys([1])},
        {"partners": {**keys([1, 2]), 3: bytes(31)}},
        {"partners": {**keys([1, 2]), 0: bytes(32)}},
        {"partners": {**keys([1, 2]), 70_000: bytes(32)}},
        {"partners": {**keys([1, 2]), 3: keys([1])[1]}},
        {"partners": {i: i.to_bytes(32, "big") for i in range(1, 258)}},
        {"colluders": -1},
        {"colluders": 4},
        {"min_survivors": 6},
        {"ring_bits": 24},
        {"ring_bits": 16},
        {"ring_bits": 16, "noise_std": 1e-6},
        {"length": 0},
        {"length": 2**40},
        {"clip": 0.0},
        {"clip": float("inf")},
        {"clip": float("nan")},
        {"noise_std": -1.0},
        {"norm_bound": float("nan")},
        {"word_limits": (0,)},
        {"word_limits": (2**62,)},
        {"word_limits": (1,) * 257},
        {"tag_words": 0},
        {"tag_words": 3},
        {"groups": 0},
        {"groups": 2},
        {"share_noise": -1.0},
        {"share_noise": 1e-12},
        {"share_noise": 1e12},
    ],
    ids=_rule,
)
def test_a_policy_that_breaks_a_rule_is_refused(broken):
    with pytest.raises(Refusal) as refusal:
        replace(policy(5, 1), **broken)
    assert refusal.value.code == "SA-001"


def test_two_partners_are_told_why_they_are_refused():
    with pytest.raises(Refusal) as refusal:
        policy(2, 0)
    assert "subtract its own update" in refusal.value.problem


def test_sixteen_bits_need_noise_of_three_steps():
    assert policy(5, 1, ring_bits=16, noise_std=0.001).limit == 6553


def test_every_field_changes_the_digest():
    base = policy(7, 1, word_limits=(5,), noise_std=1.0)
    changes = {
        "partners": keys(range(2, 9)),
        "colluders": 2,
        "length": 7,
        "clip": 2.0,
        "min_survivors": 6,
        "two_parties": True,
        "ring_bits": 16,
        "noise_std": 2.0,
        "word_limits": (6,),
        "suite": Suite.HYBRID_AES256,
        "tag_words": 1,
        "norm_bound": 3.0,
        "audited": True,
        "groups": 2,
        "share_noise": 0.5,
    }
    from dataclasses import fields

    assert set(changes) == {field.name for field in fields(SessionPolicy)}
    changes["groups"] = 1
    digests = {replace(base, **{name: value}).digest() for name, value in changes.items()}
    wide = policy(12, 1)
    assert wide.digest() != replace(wide, groups=2).digest()
    assert len(digests | {base.digest()}) == len(changes)


def test_the_order_of_partners_does_not_matter():
    rules = policy(4, 1)
    shuffled = replace(rules, partners=dict(reversed(rules.partners.items())))
    assert shuffled.digest() == rules.digest()
    assert shuffled.ids == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "broken",
    [
        {"run_id": b"short"},
        {"round": -1},
        {"round": 2**32},
        {"attempt": MAX_ATTEMPTS},
        {"attempt": -1},
        {"plan_hash": b""},
        {"model_hash": bytes(31)},
    ],
    ids=str,
)
def test_a_session_out_of_range_is_refused(broken):
    with pytest.raises(Refusal) as refusal:
        session(**broken)
    assert refusal.value.code == "SA-001"


def test_two_parties_need_both_policies_to_say_so():
    from shared.secagg import Requirements
    from tests.shared.secagg.grid import participant

    rules = policy(2, 0, two_parties=True)
    with pytest.raises(Refusal) as refusal:
        participant(1, rules, session(), requirements=Requirements(pinned=keys([1, 2])))
    assert refusal.value.code == "SA-035"
    participant(
        1, rules, session(), requirements=Requirements(pinned=keys([1, 2]), two_parties=True)
    )
