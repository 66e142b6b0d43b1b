"""No plan runs at a node that nobody approved, and an approval is of exact bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.app import make_app
from clients.approvals import (
    Approvals,
    NotApprovedError,
    TooManyPlansError,
    UnknownPlanError,
)
from clients.cli import app as cli
from clients.plan_view import describe, difference
from clients.rounds import NodeRounds
from shared.files import write_json
from shared.plan import LocalSteps, PrivacyTerms, TrainingPlan
from shared.wire import SHARE
from simulations.grid import LocalGrid
from tests.federation import MODEL, Federation, store_identity
from tests.plans import distributed_plan, make_plan


@pytest.fixture
def approvals(tmp_path: Path) -> Approvals:
    return Approvals(tmp_path / "approvals")


def _plan(rounds: int = 1) -> TrainingPlan:
    return make_plan(
        rounds=rounds, privacy=None, model=MODEL, local=LocalSteps(steps=1, batch_users=16)
    )


def test_a_new_plan_is_kept_and_refused(approvals: Approvals) -> None:
    with pytest.raises(NotApprovedError):
        approvals.require(make_plan(), "by-hand")
    (known,) = approvals.known()
    assert (known.plan, known.state) == (make_plan(), "waiting")


def test_an_approved_plan_passes(approvals: Approvals) -> None:
    name = approvals.keep(make_plan())
    approvals.approve(name[:16])
    approvals.require(make_plan(), "by-hand")


def test_the_approval_of_one_plan_is_none_of_a_similar_one(approvals: Approvals) -> None:
    approvals.approve(approvals.keep(make_plan(rounds=3)))
    with pytest.raises(NotApprovedError):
        approvals.require(make_plan(rounds=4), "by-hand")


def test_a_rule_approves_what_it_was_set_for_and_says_so(approvals: Approvals) -> None:
    approvals.require(make_plan(), "by-policy")
    assert approvals.known()[0].state == "by-policy"


def test_a_withdrawn_plan_stays_refused_under_a_rule(approvals: Approvals) -> None:
    approvals.require(make_plan(), "by-policy")
    approvals.withdraw(make_plan().digest().hex())
    with pytest.raises(NotApprovedError, match="withdrawn"):
        approvals.require(make_plan(), "by-policy")


@pytest.mark.parametrize("prefix", ["", "0", "ffffffff0", "../../etc"])
def test_a_digest_that_names_no_plan_is_refused(approvals: Approvals, prefix: str) -> None:
    approvals.keep(make_plan())
    with pytest.raises(UnknownPlanError):
        approvals.approve(prefix)


def test_a_kept_plan_that_was_altered_is_not_shown(approvals: Approvals, tmp_path: Path) -> None:
    name = approvals.keep(make_plan())
    (tmp_path / "approvals" / f"{name}.plan.json").write_bytes(make_plan(rounds=9).canonical())
    with pytest.raises(UnknownPlanError, match="altered"):
        approvals.find(name)


def test_the_coordinator_cannot_fill_the_disk_with_plans(
    approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.approvals.MAX_WAITING", 3)
    for rounds in range(1, 4):
        approvals.keep(make_plan(rounds=rounds))
    with pytest.raises(TooManyPlansError):
        approvals.keep(make_plan(rounds=4))


def test_a_run_goes_nowhere_until_a_person_says_yes(tmp_path: Path) -> None:
    plan = _plan()
    refusing = Federation(plan, tmp_path, approval="by-hand")
    with pytest.raises(Exception, match="FED-210"):
        refusing.run()
    for node in refusing.nodes.values():
        Approvals(node.home.approvals).approve(plan.digest().hex())
    Federation(plan, tmp_path, approval="by-hand").run()


def test_withdrawing_ends_the_round_at_its_next_message(tmp_path: Path) -> None:
    plan = _plan()
    federation = Federation(plan, tmp_path)

    class Withdrawing(NodeRounds):
        def answer(self, stage, parcel):  # type: ignore[no-untyped-def]
            if stage == SHARE:
                home = federation.nodes[1].home
                Approvals(home.approvals).withdraw(plan.digest().hex())
            return super().answer(stage, parcel)

    federation.rounds[1] = Withdrawing(federation.nodes[1])
    app = make_app(lambda context: federation.rounds[context.node_id])
    federation.grid = LocalGrid(app, {i: {} for i in federation.nodes})
    with pytest.raises(Exception, match="FED-04"):
        federation.run()
    assert federation.reports[0].failures[SHARE] == {1: "FED-210"}


def test_a_plan_is_described_with_unit_cost_and_trust() -> None:
    plan = make_plan(privacy=PrivacyTerms(epsilon=3.0))
    text = describe(plan, plan.partners[0], spent=1.5, lifetime=8.0)
    assert "epsilon 3, delta 0.01" in text
    assert "one user at this platform" in text
    assert "trusting nobody else" in text
    assert f"{plan.parameters:,} numbers" in text
    assert "1.500 of 8" in text


def test_shared_noise_is_described_with_the_trust_that_it_needs() -> None:
    plan = distributed_plan()
    assert "all partners but 1" in describe(plan, plan.partners[0], 0.0, 8.0)


def test_banded_noise_is_described_as_such() -> None:
    plan = make_plan(privacy=PrivacyTerms(epsilon=3.0, bands=2))
    assert "banded noise, 2 groups" in describe(plan, plan.partners[0], 0.0, 8.0)
    assert "banded" not in describe(make_plan(), None, 0.0, 8.0)


def test_a_plan_without_privacy_is_called_that() -> None:
    plan = make_plan(privacy=None)
    assert "NONE" in describe(plan, None, 0.0, 8.0)


def test_what_differs_between_plans_is_listed_field_by_field() -> None:
    old, new = make_plan(), make_plan((64, 64, 65), rounds=4)
    assert difference(old, new) == ("partners[3].declared_users: 64 → 65", "rounds: 3 → 4")


def test_the_commands_show_approve_and_withdraw(tmp_path: Path) -> None:
    federation = Federation(make_plan(), tmp_path)
    node, run = federation.nodes[1], CliRunner()
    write_json(node.home.policy, node.policy.model_dump(mode="json"))
    from tests.plans import identity

    node.home.root.mkdir(parents=True, exist_ok=True)
    store_identity(node.home.identity, identity(1))
    name = Approvals(node.home.approvals).keep(make_plan())
    home = ["--home", str(node.home.root)]
    assert "waiting" in run.invoke(cli, ["plan", *home]).output
    assert "what is sent" in run.invoke(cli, ["plan", name[:12], *home]).output
    assert "approved, by-hand" in run.invoke(cli, ["approve", name[:12], *home]).output
    assert "withdrawn" in run.invoke(cli, ["approve", name[:12], "--withdraw", *home]).output
    assert "by policy" in run.invoke(cli, ["approve", "--by-policy", *home]).output
    assert run.invoke(cli, ["approve", *home]).exit_code != 0
