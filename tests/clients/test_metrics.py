"""Monitoring sees a node's budget and traffic, and nothing of its users."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.home import NodeHome
from clients.metrics import exposition
from shared.files import write_json
from shared.plan import LocalSteps, PrivacyTerms
from tests.federation import MODEL, Federation, policy, store_identity
from tests.plans import identity, make_plan


def test_a_node_that_took_part_tells_budget_messages_and_refusals(tmp_path: Path) -> None:
    plan = make_plan(
        rounds=1,
        privacy=PrivacyTerms(epsilon=1.0),
        model=MODEL,
        local=LocalSteps(steps=2, batch_users=16),
    )
    federation = Federation(plan, tmp_path)
    federation.run()
    node = federation.nodes[1]
    write_json(node.home.policy, node.policy.model_dump(mode="json"))
    store_identity(node.home.identity, identity(1))
    lines = dict(
        line.rsplit(" ", 1) for line in exposition(node.home).splitlines() if line[0] != "#"
    )
    spent = node.ledger().spent()
    assert float(lines["isthmus_epsilon_spent"]) == pytest.approx(spent)
    assert float(lines["isthmus_epsilon_left"]) == pytest.approx(8.0 - spent)
    assert float(lines["isthmus_messages_sent_total"]) == 6
    assert float(lines['isthmus_bytes_sent_total{stage="train.mask"}']) > 4 * plan.parameters
    assert float(lines["isthmus_plans_waiting"]) == 0


def test_a_node_without_a_federation_has_no_metrics(tmp_path: Path) -> None:
    assert exposition(NodeHome(tmp_path)) == ""


def test_a_damaged_ledger_is_told_and_does_not_silence_the_rest(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    plan = make_plan(model=MODEL)
    write_json(home.policy, policy(plan).model_dump(mode="json"))
    store_identity(home.identity, identity(1))
    home.ledger.write_text("not a ledger\n")
    assert "isthmus_records_readable 0.0" in exposition(home)
