"""The verifier accepts what nodes and coordinator wrote and names what was changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clients.receipts import ReceiptLog
from shared.plan import LocalSteps
from tests.federation import MODEL, Federation
from tests.plans import identity, make_plan, public

TOOL = Path(__file__).parents[2] / "tools" / "verify_receipts.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    plan = make_plan(rounds=1, privacy=None, model=MODEL, local=LocalSteps(steps=1, batch_users=16))
    Federation(plan, root).run()
    log = ReceiptLog(root / "node-1" / "receipts.jsonl", identity(1))
    log.export(root / "exported.jsonl")
    return root


def _verify(*arguments: object) -> tuple[int, str]:
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout


def test_an_exported_log_holds(run: Path) -> None:
    status, said = _verify(run / "exported.jsonl", "--node", public(identity(1)).hex())
    assert (status, said[:3]) == (0, "ok:")


def test_it_agrees_with_what_the_coordinator_received(run: Path) -> None:
    events = run / "coordinator" / "journal" / "events.jsonl"
    status, said = _verify(run / "exported.jsonl", "--coordinator", events)
    assert status == 0
    assert "5 of them received by the coordinator" in said


def test_a_message_without_a_receipt_is_found(run: Path, tmp_path: Path) -> None:
    events = (run / "coordinator" / "journal" / "events.jsonl").read_text().splitlines()
    altered = json.loads(events[-1])
    altered["received"] = dict.fromkeys(altered["received"], "00" * 32)
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join([*events[:-1], json.dumps(altered)]))
    status, said = _verify(run / "exported.jsonl", "--coordinator", path)
    assert status == 1
    assert "no receipt of round 1" in said


def test_another_nodes_log_is_refused(run: Path) -> None:
    status, _ = _verify(run / "exported.jsonl", "--node", public(identity(2)).hex())
    assert status == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"round": 1', b'"round": 2', "altered"),
        (b'"stage": "train.mask"', b'"stage": "train.task"', "altered"),
    ],
    ids=["round", "stage"],
)
def test_an_altered_line_is_named(
    run: Path, tmp_path: Path, old: bytes, new: bytes, said: str
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes((run / "exported.jsonl").read_bytes().replace(old, new))
    status, text = _verify(path)
    assert status == 1
    assert said in text
