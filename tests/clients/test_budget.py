"""The budget of a node's whole life: spent is said, and a new cap is on the record."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.budget import change_lifetime, ledger_in
from clients.cli import app
from clients.home import NodeHome
from clients.lifecycle.doctor import Doctor
from clients.node_config import read_node_config
from clients.policy import NodePolicy, read_policy, write_policy
from shared.errors import InvalidValueError
from shared.privacy.accounting import Budget, epsilon
from shared.privacy.errors import LedgerMismatchError
from shared.privacy.spends import Release
from tests.clients.small_shop import shop
from tests.shared.privacy.test_ledger import COST


@pytest.fixture
def home(tmp_path: Path) -> NodeHome:
    home = shop(tmp_path)
    write_policy(home, NodePolicy(coordinator=64 * "a", partners={}, max_declared_users=900))
    return home


def test_a_cap_that_is_edited_by_hand_is_named_and_the_command_mends_it(home: NodeHome) -> None:
    ledger_in(home)
    write_policy(home, read_policy(home).model_copy(update={"lifetime_epsilon": 16.0}))
    with pytest.raises(LedgerMismatchError, match="privacy --lifetime-epsilon"):
        ledger_in(home)
    call = ["privacy", "--lifetime-epsilon", "16", "--home", str(home.root)]
    assert "of 16 " in CliRunner().invoke(app, call).stdout
    lines = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    assert [(line["kind"], line["epsilon"]) for line in lines] == [
        ("open", 8.0),
        ("lifetime", 16.0),
    ]
    change_lifetime(home, 16.0)
    assert len(home.ledger.read_text().splitlines()) == 2


def test_other_users_than_the_ledger_was_begun_with_are_named(home: NodeHome) -> None:
    ledger_in(home)
    write_policy(home, read_policy(home).model_copy(update={"max_declared_users": 90_000}))
    with pytest.raises(LedgerMismatchError, match="put max_declared_users"):
        change_lifetime(home, 16.0)
    assert read_policy(home).lifetime_epsilon == 8.0


def test_a_cap_that_is_none_changes_nothing(home: NodeHome) -> None:
    with pytest.raises(InvalidValueError, match="lifetime_epsilon = -1"):
        change_lifetime(home, -1.0)
    assert not home.ledger.exists()


def test_doctor_says_that_a_budget_without_room_is_spent(home: NodeHome) -> None:
    cost = [replace(COST, noise_multiplier=1.0)]
    delta = ledger_in(home).lifetime.delta
    change_lifetime(home, 1.001 * epsilon(cost, delta))
    plan = Budget(epsilon=100.0, delta=delta)
    ledger_in(home).reserve(Release(plan="p", round=1, model="behaviour"), cost, plan_budget=plan)
    doctor = Doctor(home=home, config=read_node_config(home, {}), now=time.time())
    assert "CFG-117" in {finding.code for finding in doctor.examine()}
