"""Plans are signed over admitted partners; an unfinished run is not lost by accident."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.app import REPORTS, load_plan
from server.cli import app
from server.enrolment import revoke
from server.home import CoordinatorHome
from server.partners import UnknownPartnerError, read_partners, write_partners
from server.run_state import (
    NoRunError,
    PlanFileError,
    RunState,
    UnfinishedRunError,
    propose,
    read_current,
    resume,
    write_state,
)
from server.views import releases_view, rounds_view, status_view
from shared.errors import ConfigError
from shared.files import write_json
from shared.keyfile import load_identity, public_bytes
from shared.plan import read_plan
from shared.protocol import ProtocolMismatchError
from tests.network import admitted_node, coordinator
from tests.plans import make_plan


@pytest.fixture
def home(tmp_path: Path) -> CoordinatorHome:
    home = coordinator(tmp_path)
    for number, name in enumerate(("a", "b", "c")):
        admitted_node(home, tmp_path, name, declared=64 + number)
    return home


def _terms(**changes: object) -> dict[str, object]:
    terms = make_plan().model_dump(mode="json", exclude={"run_id", "version", "partners"})
    return {**terms, **changes}


def test_a_plan_names_the_active_partners_and_is_signed(home: CoordinatorHome) -> None:
    plan = propose(home, _terms(), replace=False)
    assert [(p.id, p.name, p.declared_users) for p in plan.partners] == [
        (1, "a", 64),
        (2, "b", 65),
        (3, "c", 66),
    ]
    stored, signature = load_plan(home.run(plan.run_id))
    key = public_bytes(load_identity(home.identity))
    assert read_plan(stored.canonical(), signature, key) == plan


def test_revoked_partners_are_in_no_plan(home: CoordinatorHome) -> None:
    revoke(home, "b")
    assert [p.name for p in propose(home, _terms(), replace=False).partners] == ["a", "c"]
    with pytest.raises(UnknownPartnerError):
        propose(home, _terms(partners=["a", "b"]), replace=True)


def test_partners_can_be_chosen_by_name(home: CoordinatorHome) -> None:
    plan = propose(home, _terms(partners=["c", "a"]), replace=False)
    assert [p.name for p in plan.partners] == ["a", "c"]
    with pytest.raises(PlanFileError):
        propose(home, _terms(partners="a"), replace=True)


def test_a_plan_for_one_partner_is_refused_in_words(home: CoordinatorHome) -> None:
    with pytest.raises(PlanFileError, match="two partners at least, not a alone"):
        propose(home, _terms(partners=["a"]), replace=False)


def test_run_id_and_unknown_keys_are_refused(home: CoordinatorHome) -> None:
    with pytest.raises(PlanFileError):
        propose(home, _terms(run_id="0" * 32), replace=False)
    with pytest.raises(ConfigError):
        propose(home, _terms(epsilon=8.0), replace=False)
    assert read_current(home) is None


def test_an_unfinished_run_is_only_replaced_on_purpose(home: CoordinatorHome) -> None:
    first = propose(home, _terms(), replace=False)
    with pytest.raises(UnfinishedRunError):
        propose(home, _terms(), replace=False)
    second = propose(home, _terms(), replace=True)
    current = read_current(home)
    assert current is not None
    assert current.run_id == second.run_id != first.run_id


def test_resume_lets_a_failed_run_go_on_and_a_finished_one_rest(home: CoordinatorHome) -> None:
    with pytest.raises(NoRunError):
        resume(home, "")
    propose(home, _terms(), replace=False)
    current = read_current(home)
    assert current is not None
    write_state(home, current.model_copy(update={"state": "failed", "problem": "x"}))
    assert resume(home, "").state == "waiting"
    write_state(home, current.model_copy(update={"state": "finished"}))
    assert resume(home, current.run_id).state == "finished"


def test_the_views_of_a_coordinator_that_has_not_started(home: CoordinatorHome) -> None:
    with pytest.raises(NoRunError):
        rounds_view(home, "")
    plan = propose(home, _terms(), replace=False)
    view = status_view(home)
    assert (view["running"], view["run"]["state"]) == (False, "waiting")
    assert [p["name"] for p in view["partners"]] == ["a", "b", "c"]
    assert rounds_view(home, plan.run_id) == releases_view(home) == []


def test_status_keeps_a_partner_that_was_revoked_apart_from_its_successor(
    home: CoordinatorHome, tmp_path: Path
) -> None:
    revoke(home, "b")
    with pytest.raises(UnknownPartnerError, match="'b' was revoked"):
        revoke(home, "b")
    admitted_node(home, tmp_path / "again", "b")
    write_json(home.status, {"pid": 1, "time": time.time(), "online": ["a", "b"]})
    rows = [(p["name"], p["online"], p["revoked"]) for p in status_view(home)["partners"]]
    assert rows == [
        ("a", True, False),
        ("b", False, True),
        ("c", False, False),
        ("b", True, False),
    ]


def test_who_failed_is_named_as_the_operator_knows_it(home: CoordinatorHome) -> None:
    plan = propose(home, _terms(), replace=False)
    failed = {
        "state": "failed",
        "problem": "round 1 failed: train.start: 16096229544514813254 FED-031",
    }
    write_state(home, RunState(run_id=plan.run_id, **failed))
    report = {"round": 1, "attempt": 0, "survivors": [], "seconds": {}, "bytes_up": {}}
    failures = {"train.start": {"16096229544514813254": "FED-031"}}
    write_json(home.run(plan.run_id) / REPORTS, [report | {"bytes_down": {}, "failures": failures}])
    nodes = {"16096229544514813254": "c"}
    write_json(home.status, {"pid": 1, "time": time.time(), "online": [], "nodes": nodes})
    assert status_view(home)["run"]["problem"] == "round 1 failed: train.start: c FED-031"
    said = CliRunner().invoke(app, ["rounds", "--home", str(home.root)]).stdout
    assert "c FED-031" in said


def test_a_plan_names_no_partner_whose_node_is_too_old(home: CoordinatorHome) -> None:
    file = read_partners(home)
    old = file.find("b").model_copy(update={"protocols": (7,)})
    write_partners(home, file.with_partner(old))
    with pytest.raises(ProtocolMismatchError, match="partner 'b' speaks protocol 7"):
        propose(home, _terms(), replace=False)
    plan = propose(home, _terms(partners=["a", "c"]), replace=False)
    assert [p.name for p in plan.partners] == ["a", "c"]
