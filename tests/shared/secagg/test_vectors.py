"""The implementation and the independent reference agree with the checked-in vectors."""

from __future__ import annotations

import json

import pytest

from shared.secagg import Refusal
from shared.secagg.codec import Kind, read_frame, verify
from tests.shared.secagg import reference
from tests.shared.secagg.make_vectors import FOLDER, build, expanded, play, summary

SESSIONS = json.loads((FOLDER / "sessions.json").read_text(encoding="utf-8"))
MALFORMED = json.loads((FOLDER / "malformed.json").read_text(encoding="utf-8"))


def name(case):
    return case["name"]


@pytest.mark.parametrize("case", SESSIONS, ids=name)
def test_the_implementation_reproduces_the_session(case):
    assert play(case) == case["expected"]


@pytest.mark.parametrize("case", SESSIONS, ids=name)
def test_the_reference_reproduces_the_session(case):
    found = reference.run(expanded(case))
    assert found | {"ring_sum": summary(found["ring_sum"])} == case["expected"]


@pytest.mark.parametrize("case", MALFORMED["messages"], ids=name)
def test_the_implementation_refuses_the_malformed_message_under_its_code(case):
    rules, _ = build(MALFORMED)
    raw, context = bytes.fromhex(case["message"]), bytes.fromhex(case["context"])
    check = read_frame if case["kind"] >= Kind.SURVIVOR_SET else verify
    with pytest.raises(Refusal) as refusal:
        check(raw, Kind(case["kind"]), rules, context, case["size"])
    assert refusal.value.code == case["code"]


@pytest.mark.parametrize("case", MALFORMED["messages"], ids=name)
def test_the_reference_refuses_the_malformed_message_under_its_code(case):
    raw, context = bytes.fromhex(case["message"]), bytes.fromhex(case["context"])
    rules = reference.Rules(MALFORMED["policy"])
    assert reference.refusal(rules, raw, case["kind"], context, case["size"]) == case["code"]


def test_there_are_enough_vectors_and_a_third_are_malformed():
    total = len(SESSIONS) + len(MALFORMED["messages"])
    assert total >= 30
    assert len(MALFORMED["messages"]) * 3 >= total
