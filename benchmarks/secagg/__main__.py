"""``python -m benchmarks.secagg``: writes ``runs/bench/secagg.json``, prints the goals."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.secagg import limits
from benchmarks.secagg.others import Ckks
from benchmarks.secagg.points import client_row, coordinator_rows
from benchmarks.secagg.timing import interleaved

FULL = ((5, 10, 50, 100), (1_000_000, 10_000_000))
SMALL = ((5, 10), (200_000,))


def main() -> None:
    """Run the grid."""
    options = _options()
    counts, lengths = SMALL if options.small else FULL
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for d in lengths:
        update = rng.normal(0, 0.05, d).astype(np.float32)
        for n in counts:
            rows.append(client_row(n, d, update, options.repeats))
            rows.extend(coordinator_rows(n, d, options.repeats))
            print(f"n = {n}, d = {d}: done", file=sys.stderr)
    largest = max(lengths)
    rows.append(limits.throughput(largest, 20, options.repeats))
    rows.append(limits.threads(largest, 20, options.repeats))
    rows.extend(limits.memory(largest, 20, count) for count in (1, 2))
    rows.append(_ckks(rng.normal(0, 0.05, min(lengths)).astype(np.float32)))
    _write(options.out, rows, _goals(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.secagg", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick slice of the grid")
    parser.add_argument("--repeats", type=int, default=5, help="interleaved repetitions")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/secagg.json"))
    return parser.parse_args()


def _ckks(update: NDArray[np.float32]) -> dict[str, Any]:
    """CKKS on the shorter vector, or the reason why it did not run."""
    row: dict[str, Any] = {"what": "CKKS (TenSEAL)", "d": update.size}
    try:
        scheme = Ckks(update)
    except ImportError as error:
        return row | {"skipped": str(error)}
    sizes: list[int] = []
    timed = interleaved(
        {"encrypt": lambda: sizes.append(sum(map(len, scheme.encrypt())))}, repeats=3
    )
    return row | {
        "compared_with": "the client upload step of the same d",
        "cpu_ms": 1e3 * timed["encrypt"].cpu,
        "wire_of_float32": sizes[-1] / (4 * update.size),
    }


def _goals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    clients = [row for row in rows if row["what"] == "client upload step"]
    coordinators = [row for row in rows if row["what"] == "coordinator round"]
    limit = next(row for row in rows if row["what"] == "mask throughput")
    extra = max(row["extra_blocks_per_thread"] for row in rows if "extra_bytes" in row)
    goals = []
    for side, part in (("client", clients), ("coordinator", coordinators)):
        for name, goal in (("ours32", 7.0), ("ours16", 12.0)):
            for key, work in ((f"{name}_same", "same work"), (name, "with all our checks")):
                worst = min(row["times_faster"][key] for row in part)
                label = f"{side}, {name}, {work}: times faster than Flower, worst point"
                goals.append(_least(label, worst, goal))
    for mode in ("counter", "fastest"):
        share = limit[f"share_of_{mode}_mode"]
        goals.append(_least(f"mask throughput, share of AES-256 in {mode} mode", share, 0.75))
    for name, goal in (("ours32", 1.01), ("ours16", 0.51)):
        most = max(row["wire_of_float32"][name] for row in clients)
        goals.append(_most(f"wire of float32, {name}, all messages, worst point", most, goal))
    goals.append(_most("coordinator memory beyond the accumulator, blocks a thread", extra, 3))
    return goals


def _least(name: str, value: float, goal: float) -> dict[str, Any]:
    return {"name": name, "value": value, "goal": goal, "met": value >= goal}


def _most(name: str, value: float, goal: float) -> dict[str, Any]:
    return {"name": name, "value": value, "goal": goal, "met": value <= goal}


def _write(path: Path, rows: list[dict[str, Any]], goals: list[dict[str, Any]]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    report = {"schema": 1, "git": commit, "machine": _machine(), "rows": rows, "goals": goals}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for goal in goals:
        met = "met" if goal["met"] else "NOT met"
        print(f"{goal['name']:75} {goal['value']:8.3f}  goal {goal['goal']:6}  {met}")


def _machine() -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "cryptography", "flwr")},
    }


if __name__ == "__main__":
    main()
