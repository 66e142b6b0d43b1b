"""``python -m benchmarks.ingest``: writes ``runs/bench/ingest.json``, prints the goals."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ingest.generation import Format, generate
from benchmarks.report import goal, write_report

SYSTEMS = ("isthmus", "pandas", "factorised")


def main() -> None:
    """Compare on a few million events in each format, then ingest many."""
    options = _options()
    sizes = (200_000, 100_000, 1_000_000) if options.small else (5_000_000, 1_000_000, 50_000_000)
    rows = _comparison(options.work, sizes[0], "parquet", options.repeats)
    for form in ("csv", "jsonl", "sqlite"):
        rows += _comparison(options.work, sizes[1], form, options.repeats)
    goals = _goals(rows)
    if not options.compare_only:
        rows.append(_measured("isthmus", options.work, sizes[2], "parquet"))
        goals.append(goal(f"GiB of memory for {sizes[2]:,}", rows[-1]["peak_gib"], 3.0))
    write_report("ingest", rows, goals)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.ingest", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick slice")
    parser.add_argument("--compare-only", action="store_true", help="leave the large one out")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved repetitions")
    parser.add_argument("--work", type=Path, default=Path("runs/bench/ingest-data"))
    return parser.parse_args()


def _comparison(work: Path, events: int, form: Format, repeats: int) -> list[dict[str, Any]]:
    runs: dict[str, list[dict[str, Any]]] = {system: [] for system in SYSTEMS}
    for _ in range(repeats):
        for system, found in runs.items():
            found.append(_measured(system, work, events, form))
    kept = {run["kept"] for found in runs.values() for run in found}
    if len(kept) != 1:
        raise RuntimeError(f"the systems kept different numbers of events: {kept}")
    return [_middle(found) for found in runs.values()]


def _middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    numbers = ("wall_s", "cpu_s", "peak_gib", "events_per_s")
    return runs[0] | {name: median(run[name] for run in runs) for name in numbers}


def _measured(system: str, work: Path, events: int, form: Format) -> dict[str, Any]:
    folder = work / f"{form}-{events}"
    generate(folder, events, form)
    command = [sys.executable, "-m", "benchmarks.ingest.one_run", system, str(folder)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    row = {"system": system, "format": form, "events": events, **found}
    row["events_per_s"] = events / row["wall_s"]
    print(json.dumps(row), file=sys.stderr)
    return row


def _goals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ours, plain, factorised = rows[: len(SYSTEMS)]
    return [
        goal(
            "times faster than plain pandas, wall",
            plain["wall_s"] / ours["wall_s"],
            5.0,
            least=True,
        ),
        goal("memory of plain pandas, share", ours["peak_gib"] / plain["peak_gib"], 0.25),
        goal(
            "times less CPU than pandas on numbers",
            factorised["cpu_s"] / ours["cpu_s"],
            1.0,
            least=True,
        ),
    ]


if __name__ == "__main__":
    main()
