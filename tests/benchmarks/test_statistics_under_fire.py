"""Kills while statistics are counted change nothing, and what they must not do would be noticed."""

from __future__ import annotations

import random

import numpy as np
import pytest
from flwr.app import Error, Message
from flwr.common.constant import ErrorCode
from flwr.supercore.task_identity import TaskIdentity

from benchmarks.network.departures import problem_of
from benchmarks.network.faults import statistics_scenarios
from benchmarks.network.play import _counting_plan, play
from clients.counting import Counting
from shared.plan import TrainingPlan
from shared.privacy.ledger import Ledger
from shared.secagg.fixed_point import bound, quantise
from shared.steps import step_policy
from shared.wire import MASK, SHARE, Parcel

AWAY = "statistics, node: killed before it answers train.share"
"""With seed 0 partners share the noise, so that what they keep is exact."""
PLAN = _counting_plan(3, random.Random(1))
KEPT = np.linspace(0.5, 20.0, step_policy(PLAN, -1).length).astype(np.float32)


def _violations() -> list[str]:
    row = play(AWAY, statistics_scenarios()[AWAY], seed=0, statistics=True)
    assert (row["noise"], row["lost_rounds"]) == ("distributed", 0)
    return list(row["violations"])


def test_a_node_killed_while_statistics_are_counted_changes_nothing() -> None:
    assert _violations() == []


def test_exact_counts_that_stay_are_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "forget_before", lambda _self, _number: None)
    assert any("keeps exact counts" in problem for problem in _violations())


def test_counts_that_leave_before_their_charge_are_a_violation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Ledger, "commit", lambda _self, _spend, _update: None)
    assert any("was not charged" in problem for problem in _violations())


def _reply(stage: str, parcel: Parcel) -> Message:
    TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1
    asked = Message(Parcel(b"").to_record(), dst_node_id=1, message_type=stage, group_id="-1.0")
    return Message(parcel.to_record(), reply_to=asked)


def _quantised(plan: TrainingPlan, values: np.ndarray) -> np.ndarray:
    policy = step_policy(plan, -1)
    ring = np.empty(len(values), dtype="<u4")
    limit = bound(len(policy.partners), 32)
    quantise(values, clip=policy.clip, limit=limit, bits=32, out=ring)
    return ring


def test_counts_in_the_clear_are_noticed_and_masked_ones_are_not() -> None:
    clear = _quantised(PLAN, KEPT)
    masked = clear + np.random.default_rng(0).integers(0, 1 << 32, len(KEPT), dtype=np.uint32)
    for vector, problem in ((clear, "its vector left unmasked"), (masked, "")):
        reply = _reply(MASK, Parcel(b"\0", vector))
        assert problem_of(reply, PLAN, -1, KEPT, charged=True) == problem
    hidden = _reply(SHARE, Parcel(b"\0" + KEPT.tobytes()))
    assert problem_of(hidden, PLAN, -1, KEPT, charged=True) == "the body holds its vector"
    elsewhere = _reply(SHARE, Parcel(b"\0", masked))
    assert "another stage" in problem_of(elsewhere, PLAN, -1, KEPT, charged=True)


def test_a_refusal_that_says_why_is_noticed() -> None:
    asked = _reply(MASK, Parcel(b""))
    told = Message(
        Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, "ValueError: user 17 bought 3"),
        reply_to=asked,
    )
    assert "more than a code" in problem_of(told, PLAN, -1, KEPT, charged=True)
