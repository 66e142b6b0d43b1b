"""The plan: one encoding, one signature, nothing unknown."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from shared.config import parse
from shared.errors import InvalidValueError, UnknownKeyError
from shared.models.config import ContentConfig
from shared.plan import (
    Aggregation,
    ContentTerms,
    LocalSteps,
    PlanFormatError,
    PlanSignatureError,
    TrainingPlan,
    read_plan,
)
from shared.secagg.errors import DistributedNoiseError
from shared.start import session_policy
from tests.plans import KEY, distributed_plan, make_plan, public


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


def test_a_plan_without_optional_sections_reads_as_before_they_existed() -> None:
    values = json.loads(make_plan().canonical())
    assert not {"content", "statistics"} & values.keys()
    assert values["privacy"] is not None
    assert make_plan(privacy=None).canonical().count(b'"privacy":null') == 1


def test_the_content_model_lies_behind_the_behaviour_model() -> None:
    alone, both = make_plan(), make_plan(content=ContentTerms())
    vector = both.initial_model()
    assert vector.shape == (both.parameters,)
    behaviour, content = both.split(vector)
    assert (behaviour == alone.initial_model()).all()
    assert len(content) == both.parameters - alone.parameters > 0
    assert both.parameter_schema.digest(vector) != alone.parameter_schema.digest(behaviour)
    assert read_plan(both.canonical(), both.sign(KEY), public(KEY)) == both


def test_a_content_model_of_another_item_space_is_refused() -> None:
    with pytest.raises(ValidationError, match="item_dim"):
        make_plan(content=ContentTerms(model=ContentConfig(item_dim=16)))


def test_a_content_model_under_shared_noise_is_refused() -> None:
    plan = distributed_plan()
    with pytest.raises(DistributedNoiseError, match="one model"):
        TrainingPlan.model_validate({**dict(plan), "content": ContentTerms()})


@pytest.mark.parametrize(("partners", "expected"), [(2, 0), (3, 0), (4, 1), (7, 2), (10, 3)])
def test_a_third_of_the_others_may_collude_unless_the_plan_says_how_many(
    partners: int, expected: int
) -> None:
    users = (64,) * partners
    assert session_policy(make_plan(users)).colluders == expected
    stated = make_plan(users, aggregation=Aggregation(colluders=0))
    assert session_policy(stated).colluders == 0
