"""``python -m benchmarks.metrics``: compares with RecTools, writes ``runs/bench/metrics.json``.

RecTools 0.19 needs numpy 1.26, so it gets a virtual environment of its own. A small case with
RecTools' values is kept beside the tests, which compare with it at every run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.metrics.case import ours, random_case
from shared.files import write_json

RECTOOLS: Final = "rectools==0.19.0"
REPOSITORY: Final = Path(__file__).parents[2]
THEIRS: Final = Path(__file__).with_name("theirs.py")
FIXTURE: Final = REPOSITORY / "tests/clients/evaluation/rectools.json"
GOAL: Final = 1e-9


def main() -> None:
    """Compare on three cases; write the fixture anew where asked to."""
    options = _options()
    python = _environment(options.venv)
    rows = [_compared(python, users, items) for users, items in ((50, 25), (300, 60), (400, 200))]
    worst = max(row["largest_difference"] for row in rows)
    goal = {"name": "largest difference from RecTools", "value": worst, "goal": GOAL}
    goal["met"] = worst <= GOAL
    if options.write_fixture:
        case = random_case(users=20, items=40, seed=0)
        write_json(FIXTURE, {"by": RECTOOLS, "case": case, "expected": _theirs(python, case)})
    write_json(options.out, _report(rows, goal))
    met = "met" if goal["met"] else "NOT met"
    print(f"{goal['name']:40} {worst:.1e}  goal {GOAL:.0e}  {met}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.metrics", description=__doc__)
    parser.add_argument("--venv", type=Path, default=Path("runs/venv-rectools"))
    parser.add_argument("--out", type=Path, default=Path("runs/bench/metrics.json"))
    parser.add_argument("--write-fixture", action="store_true", help=f"write {FIXTURE.name} anew")
    return parser.parse_args()


def _environment(venv: Path) -> Path:
    """The interpreter of an environment with RecTools, made where it is missing."""
    python = venv / "bin" / "python"
    stamp = venv / ".installed"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", RECTOOLS]
        subprocess.run([str(python), *install], check=True)
        stamp.touch()
    return python


def _compared(python: Path, users: int, items: int) -> dict[str, Any]:
    case = random_case(users, items, seed=users)
    differences = largest_differences(ours(case), _theirs(python, case))
    return {
        "what": "metrics of one random case, per user and in all",
        "compared_with": RECTOOLS,
        "users": users,
        "items": items,
        "differences": differences,
        "largest_difference": max(differences.values()),
    }


def largest_differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Metric → largest absolute difference, over users or of the aggregate."""
    found: dict[str, float] = {}
    for part in ("users", "all"):
        for name in one[part].keys() | other[part].keys():
            gap = np.max(np.abs(np.subtract(one[part][name], other[part][name])))
            found[name] = max(found.get(name, 0.0), float(gap))
    return dict(sorted(found.items()))


def _theirs(python: Path, case: dict[str, Any]) -> dict[str, Any]:
    command = [str(python), str(THEIRS)]
    answer = subprocess.run(
        command, input=json.dumps(case), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise SystemExit(f"RecTools failed:\n{answer.stderr}")
    values: dict[str, Any] = json.loads(answer.stdout)
    return values


def _report(rows: list[dict[str, Any]], goal: dict[str, Any]) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    report = {"schema": 1, "git": commit.stdout.strip(), "machine": machine}
    return report | {"rows": rows, "goals": [goal]}


if __name__ == "__main__":
    main()
