"""The plan: one encoding, one signature, nothing unknown."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.config import parse
from shared.errors import InvalidValueError, UnknownKeyError
from shared.plan import LocalSteps, PlanFormatError, PlanSignatureError, TrainingPlan, read_plan
from tests.plans import KEY, make_plan, public


def test_a_signed_plan_survives_the_journey() -> None:
    plan = make_plan()
    assert read_plan(plan.canonical(), plan.sign(KEY), public(KEY)) == plan


def test_a_plan_signed_by_another_key_is_refused() -> None:
    plan = make_plan()
    with pytest.raises(PlanSignatureError):
        read_plan(plan.canonical(), plan.sign(Ed25519PrivateKey.generate()), public(KEY))


def test_one_changed_byte_breaks_the_signature() -> None:
    plan = make_plan()
    data = plan.canonical().replace(b'"rounds":3', b'"rounds":4')
    with pytest.raises(PlanSignatureError):
        read_plan(data, plan.sign(KEY), public(KEY))


def test_another_encoding_of_the_same_plan_is_refused_even_if_signed() -> None:
    plan = make_plan()
    loose = json.dumps(json.loads(plan.canonical())).encode()
    signature = _sign(loose)
    with pytest.raises(PlanFormatError):
        read_plan(loose, signature, public(KEY))


def test_unknown_keys_are_refused_and_the_nearest_name_proposed() -> None:
    values = json.loads(make_plan().canonical())
    values["local"]["step"] = 4
    with pytest.raises(UnknownKeyError, match="did you mean 'steps'"):
        parse(TrainingPlan, values, where="plan")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("aggregation", "weights", "mine"),
        ("aggregation", "server_learning_rate", -1.0),
        ("privacy", "epsilon", 0.0),
        ("local", "steps", 0),
        ("local", "batch_users", "many"),
    ],
)
def test_values_outside_their_range_are_refused(section: str, key: str, value: object) -> None:
    values = json.loads(make_plan().canonical())
    values[section][key] = value
    with pytest.raises(InvalidValueError, match=key):
        parse(TrainingPlan, values, where="plan")


def test_partners_must_have_different_keys_and_sorted_ids() -> None:
    values = json.loads(make_plan().canonical())
    values["partners"][1]["identity"] = values["partners"][0]["identity"]
    with pytest.raises(InvalidValueError, match="unique"):
        parse(TrainingPlan, values, where="plan")


def test_weights_are_public_and_follow_declared_users() -> None:
    plan = make_plan(users=(100, 400, 50))
    assert [plan.weight(p) for p in plan.partners] == [0.25, 1.0, 0.125]


def _sign(data: bytes) -> bytes:
    from shared.hashing import digest

    return KEY.sign(digest("isthmus plan 1", data))


def test_bands_that_do_not_divide_the_steps_of_a_round_are_refused() -> None:
    values = json.loads(make_plan(local=LocalSteps(steps=4)).canonical())
    values["privacy"]["bands"] = 3
    with pytest.raises(InvalidValueError, match="divide"):
        parse(TrainingPlan, values, where="plan")
