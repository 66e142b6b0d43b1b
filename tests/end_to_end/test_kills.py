"""Whoever is killed, wherever: nothing is counted twice, no committed round is lost.

A coordinator is killed before a message leaves, or after its reply was made but before it is read;
a node loses its process between any two messages. Then the run is started again.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message

from clients.approvals import Approvals
from clients.policy import NodePolicy, OutsideHoursError
from server.checkpoint import stored_rounds
from server.coordinator import Gathering
from server.journal import Journal
from shared.optimiser import ServerState
from shared.plan import LocalSteps, PrivacyTerms, TrainingPlan
from shared.wire import MASK, SHARE, STAGES, START, SURVIVORS, UNMASK
from tests.federation import MODEL, Federation
from tests.plans import make_plan

ROUND_STAGES = (START, SHARE, MASK, SURVIVORS, UNMASK)


class _Killed(BaseException):
    """The process is gone; nothing in it may catch this."""


class _Killer:
    """Kills at the `count`-th message of `stage`: before its delivery or after its answer."""

    def __init__(self, stage: str, count: int) -> None:
        self.stage, self.count, self.left = stage, count, count

    def __call__(self, _node: int, message: Message) -> Message:
        if message.metadata.message_type == self.stage:
            self.left -= 1
            if self.left == 0:
                raise _Killed
        return message


def _plan() -> TrainingPlan:
    return make_plan(
        rounds=2,
        privacy=PrivacyTerms(epsilon=4.0),
        model=MODEL,
        local=LocalSteps(steps=1, batch_users=16),
    )


def _check(federation: Federation, final: ServerState) -> None:
    """Each round charged once, within the budget; every node has the coordinator's model."""
    from clients.global_model import GlobalModel

    plan = federation.plan
    for node in federation.nodes.values():
        spends = node.ledger().spends()
        assert [s.release.round for s in spends] == [1, 2]
        assert all(s.update for s in spends)
        assert node.ledger().spent() <= 4.0
        kept = GlobalModel(plan, node.home.run(plan.run_id) / "state.safetensors")
        assert kept.round == 2
        np.testing.assert_array_equal(kept.state.flat(), final.flat())


def _kill_and_restart(federation: Federation, killer: _Killer) -> ServerState:
    federation.grid._fault = killer
    with pytest.raises(_Killed):
        federation.run()
    federation.grid._fault = lambda _node, message: message
    return federation.run()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("count", [1, 3], ids=["first message", "last message"])
def test_a_killed_coordinator_goes_on_in_the_same_attempt(
    tmp_path: Path, stage: str, count: int
) -> None:
    federation = Federation(_plan(), tmp_path)
    final = _kill_and_restart(federation, _Killer(stage, count))
    _check(federation, final)
    assert {r.attempt for r in federation.reports} == ({0} if stage != START else {0, 1})


@pytest.mark.parametrize("stage", ROUND_STAGES)
def test_coordinator_and_nodes_killed_together(tmp_path: Path, stage: str) -> None:
    first = Federation(_plan(), tmp_path)
    first.grid._fault = _Killer(stage, 2)
    with pytest.raises(_Killed):
        first.run()
    second = Federation(_plan(), tmp_path)
    _check(second, second.run())


@pytest.mark.parametrize("stage", ROUND_STAGES)
def test_a_node_killed_before_it_answers_is_back_in_the_next_attempt(
    tmp_path: Path, stage: str
) -> None:
    federation = Federation(_plan(), tmp_path)
    lost = [stage]

    def fault(node: int, message: Message) -> Message | None:
        if node == 2 and lost and message.metadata.message_type == stage:
            lost.clear()
            federation.rounds[2] = type(federation.rounds[2])(federation.nodes[2])
            return None
        return message

    federation.grid._fault = fault
    _check(federation, federation.run())


def test_shares_of_a_node_that_was_away_open_the_sum_later(tmp_path: Path) -> None:
    federation = Federation(_plan(), tmp_path)
    away = {1: 2, 2: 2}  # two of three nodes stay silent twice: fewer than the threshold is left

    def fault(node: int, message: Message) -> Message | None:
        if message.metadata.message_type == UNMASK and away.get(node, 0):
            away[node] -= 1
            return None
        return message

    federation.grid._fault = fault
    _check(federation, federation.run())
    assert {r.attempt for r in federation.reports} == {0}


def test_people_are_given_time_to_approve(tmp_path: Path) -> None:
    federation = Federation(_plan(), tmp_path, approval="by-hand")
    approvals = {i: Approvals(n.home.approvals) for i, n in federation.nodes.items()}
    settings = Gathering(
        all_seconds=0.0, enough_seconds=0.0, approval_seconds=3600.0, approval_poll_seconds=0.0
    )
    left = [3 * 20]  # more than the attempts at a round that secure aggregation knows

    def fault(node: int, message: Message) -> Message:
        left[0] -= 1
        if left[0] < 0:
            for known in approvals[node].known():
                approvals[node].approve(known.digest)
        return message

    federation.grid._fault = fault
    _check(federation, federation.run(settings))
    assert [(r.round, r.attempt) for r in federation.reports] == [(1, 0), (2, 0)]


def test_rounds_wait_for_the_hours_that_nodes_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = Federation(_plan(), tmp_path)
    settings = Gathering(all_seconds=0.0, enough_seconds=0.0, approval_poll_seconds=0.0)
    left = [3 * 20]

    def check_hour(_policy: NodePolicy, _now: datetime) -> None:
        left[0] -= 1
        if left[0] > 0:
            raise OutsideHoursError("not now")

    monkeypatch.setattr(NodePolicy, "check_hour", check_hour)
    _check(federation, federation.run(settings))


def test_a_partner_that_was_not_pinned_yet_costs_no_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = Federation(_plan(), tmp_path)
    settings = Gathering(all_seconds=0.0, enough_seconds=0.0, approval_poll_seconds=0.0)
    left, check = [3 * 20], NodePolicy._check_partners

    def check_partners(policy: NodePolicy, plan: TrainingPlan) -> None:
        left[0] -= 1
        known = policy.partners if left[0] < 0 else {}
        check(policy.model_copy(update={"partners": known}), plan)

    monkeypatch.setattr(NodePolicy, "_check_partners", check_partners)
    _check(federation, federation.run(settings))
    assert {r.attempt for r in federation.reports} == {0}


def test_the_journal_forgets_rounds_that_are_checkpointed_and_published(tmp_path: Path) -> None:
    federation = Federation(_plan(), tmp_path)
    federation.run()
    journal = Journal(tmp_path / "coordinator" / "journal")
    assert not journal.begun(1, 0)
    assert journal.begun(2, 0)
    assert stored_rounds(tmp_path / "coordinator" / "checkpoints") == [0, 1, 2]
