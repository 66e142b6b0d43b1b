"""``runs/bench/NAME.json`` in the project's form, and the goals as a table."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shared.files import write_json

Row = dict[str, Any]


def goal(name: str, value: float | None, limit: float, *, least: bool = False) -> Row:
    """A goal: `value` must be at most `limit`, or at least with `least`; None was not measured."""
    met = None if value is None else (value >= limit if least else value <= limit)
    return {"name": name, "value": value, "goal": f"{'>=' if least else '<='} {limit}", "met": met}


def write_report(name: str, rows: Sequence[Row], goals: Sequence[Row]) -> Path:
    """Write the report of a benchmark and print its goals last."""
    path = Path("runs/bench") / f"{name}.json"
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    machine = {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.platform(),
        "flwr": version("flwr"),
    }
    report = {"schema": 1, "git": commit, "machine": machine, "rows": [*rows], "goals": [*goals]}
    write_json(path, report)
    table = Table("goal", "value", "limit", "met", title=str(path))
    for row in goals:
        value = row["value"]
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        table.add_row(row["name"], shown, row["goal"], str(row["met"]))
    Console().print(table)
    return path
