"""``python -m benchmarks.network.chaos``: whoever is killed, nothing is lost and nothing doubled.

Writes ``runs/bench/chaos.json``. Every scenario runs on the in-process grid with several seeds;
then processes of a real deployment are killed one after the other.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys

from benchmarks.network.faults import scenarios, statistics_scenarios
from benchmarks.network.play import play
from benchmarks.report import Row, goal, write_report

SEEDS = 5


def main() -> None:
    """Run everything and report; a violation is a failure, a slow recovery is a figure."""
    parser = argparse.ArgumentParser(prog="benchmarks.network.chaos", description=__doc__)
    parser.add_argument("--small", action="store_true", help="one seed on the grid, fewer kills")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--grid-only", action="store_true", help="no processes")
    options = parser.parse_args()
    logging.disable(logging.ERROR)  # what goes wrong is meant to
    rows: list[Row] = []
    for seed in range(1 if options.small else options.seeds):
        rows += _grid(seed)
        write_report("chaos", rows, _goals(rows))  # an interrupted run has told of whole seeds
    if not options.grid_only:
        from benchmarks.network.kills import kill_processes

        rows += kill_processes(small=options.small)
    write_report("chaos", rows, _goals(rows))
    broken = [
        f"{row['what']} ({row['seed']}): {row['violations']}" for row in rows if row["violations"]
    ]
    if broken:
        sys.exit("\n".join(broken))


def _grid(seed: int) -> list[Row]:
    rows = []
    for counts, found in ((False, scenarios()), (True, statistics_scenarios())):
        for name, make in found.items():
            rows.append(play(name, make, seed, statistics=counts))
            print(f"{seed}: {name}: {rows[-1]['violations'] or 'holds'}", file=sys.stderr)
    return rows


def _goals(rows: list[Row]) -> list[Row]:
    violations = float(sum(len(row["violations"]) for row in rows))
    points = float(len({row["what"] for row in rows}))
    lost = float(sum(row["lost_rounds"] for row in rows))
    coordinator = [r["recovery"] for r in rows if r.get("killed") == "coordinator"]
    return [
        goal("kill points and faults", points, 20, least=True),
        goal("violations of any invariant", violations, 0),
        goal("rounds lost after shares were revealed", lost, 0),
        goal("seconds until a killed coordinator goes on (worst)", _worst(coordinator), 30),
        goal("of these, median", statistics.median(coordinator) if coordinator else None, 30),
    ]


def _worst(values: list[float]) -> float | None:
    return max(values) if values else None


if __name__ == "__main__":
    main()
