"""What `status`, `rounds` and `releases` show: plain values, read from the coordinator's files."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from server.app import REPORTS, load_plan
from server.checkpoint import stored_rounds
from server.home import CoordinatorHome
from server.partners import read_partners
from server.releases import release_state
from server.run_state import RunState, chosen_run, read_current
from server.settings import read_settings
from shared.files import read_json

FRESH_SECONDS = 15.0


def status_view(home: CoordinatorHome) -> dict[str, Any]:
    """Service, partners and current run.

    Raises
    ------
    ConfigError
    """
    settings = read_settings(home)
    service = read_json(home.status) if home.status.exists() else {}
    alive = bool(service) and time.time() - service["time"] < FRESH_SECONDS
    online = set(service["online"]) if alive else set()
    current = read_current(home)
    return {
        "federation": settings.federation,
        "address": settings.address,
        "running": alive,
        "pid": service["pid"] if alive else None,
        "partners": [
            {
                "name": p.name,
                "online": p.name in online and not p.revoked,
                "declared_users": p.declared_users,
                "certificate_days_left": (p.certificates[-1].expires - datetime.now(UTC)).days,
                "revoked": p.revoked,
            }
            for p in read_partners(home).partners
        ],
        "run": _run(home, current) if current else None,
    }


def rounds_view(home: CoordinatorHome, run_id: str) -> list[dict[str, Any]]:
    """The reports of all attempts of a run; empty id means the current run.

    Raises
    ------
    NoRunError
    """
    path = home.run(chosen_run(home, run_id).run_id) / REPORTS
    return list(read_json(path)) if path.exists() else []


def node_names(home: CoordinatorHome) -> dict[str, str]:
    """Partners by Flower's number of their node, while the service tells; else empty."""
    names: dict[str, str] = read_json(home.status).get("nodes", {}) if home.status.exists() else {}
    return names


def releases_view(home: CoordinatorHome) -> list[dict[str, Any]]:
    """The newest global model of every run, oldest run first."""
    releases = []
    for directory in sorted(home.runs.glob("*/plan.json"), key=lambda p: p.stat().st_mtime_ns):
        plan, _ = load_plan(directory.parent)
        rounds = stored_rounds(directory.parent / "checkpoints")
        if rounds and rounds[-1] > 0:
            releases.append(
                {
                    "run_id": plan.run_id,
                    "state": release_state(home, plan.run_id),
                    "round": rounds[-1],
                    "rounds": plan.rounds,
                    "partners": len(plan.partners),
                    "epsilon": plan.privacy.epsilon if plan.privacy else None,
                    "noise": plan.privacy.noise if plan.privacy else None,
                    "purpose": plan.purpose,
                }
            )
    return releases


def _run(home: CoordinatorHome, state: RunState) -> dict[str, Any]:
    plan, _ = load_plan(home.run(state.run_id))
    done = stored_rounds(home.run(state.run_id) / "checkpoints")
    return {
        "run_id": state.run_id,
        "state": state.state,
        "problem": _named(state.problem, node_names(home)),
        "round": max(done[-1], 0) if done else 0,
        "rounds": plan.rounds,
    }


def _named(text: str, names: dict[str, str]) -> str:
    for number, name in names.items():
        text = text.replace(number, name)
    return text
