"""Monitoring sees counts, times and codes of the coordinator, on loopback and nowhere else."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from server.app import REPORTS
from server.enrolment import create_coordinator
from server.home import CoordinatorHome
from server.metrics import CoordinatorCollector, serve_metrics
from server.run_state import RunState, write_state
from shared.files import write_json
from shared.keyfile import load_identity
from tests.federation import MODEL
from tests.plans import make_plan

PLAN = make_plan(rounds=2, model=MODEL)
REPORT = {
    "round": 1,
    "attempt": 1,
    "survivors": [1, 2, 3],
    "failures": {"train.start": {"7": "FED-210", "8": "silent"}},
    "seconds": {"train.start": 1.5},
    "bytes_up": {"train.mask": 100},
    "bytes_down": {"train.start": 10},
}


@pytest.fixture
def home(tmp_path: Path) -> CoordinatorHome:
    from server.app import store_plan

    home = CoordinatorHome(tmp_path / "coordinator")
    create_coordinator(home, "films", "localhost:8443", 18000)
    store_plan(home.run(PLAN.run_id), PLAN, PLAN.sign(load_identity(home.identity)))
    write_state(home, RunState(run_id=PLAN.run_id, state="running"))
    write_json(home.current, {"run_id": PLAN.run_id})
    write_json(home.run(PLAN.run_id) / REPORTS, [REPORT, {**REPORT, "survivors": []}])
    return home


def _text(home: CoordinatorHome) -> str:
    registry = CollectorRegistry()
    registry.register(CoordinatorCollector(home))
    return generate_latest(registry).decode()


def test_a_run_is_told_in_numbers(home: CoordinatorHome) -> None:
    text = _text(home)
    for line in (
        "isthmus_service_up 0.0",
        "isthmus_run_rounds 2.0",
        "isthmus_cohort 3.0",
        "isthmus_cohort_threshold 3.0",
        "isthmus_attempts_total 2.0",
        "isthmus_plan_epsilon 8.0",
        'isthmus_bytes_received_total{stage="train.mask"} 200.0',
        'isthmus_stage_seconds_total{stage="train.start"} 3.0',
        'isthmus_failures_total{code="FED-210",stage="train.start"} 2.0',
        'isthmus_failures_total{code="silent",stage="train.start"} 2.0',
    ):
        assert line in text, line


def test_a_coordinator_without_a_run_has_metrics_too(tmp_path: Path) -> None:
    home = CoordinatorHome(tmp_path / "coordinator")
    create_coordinator(home, "films", "localhost:8443", 18000)
    assert "isthmus_partners 0.0" in _text(home)


def test_metrics_are_served_on_loopback(home: CoordinatorHome) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve_metrics(home, port)
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b"isthmus_run_round 0.0" in answer.read()
