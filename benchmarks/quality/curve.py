"""What privacy costs: NDCG@10 beside a giant against epsilon, mean of the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Final

from benchmarks.quality.joining import alone
from benchmarks.report import Row
from simulations.results import Results, SystemName

POINTS: Final = {
    "epsilon-1": "1",
    "epsilon-3": "3",
    "giant-and-small": "8",
    "epsilon-none": "none",
}
"""Scenario → its epsilon on the axis, from the most private on."""
RELEASED: Final[tuple[SystemName, ...]] = ("released_dp_lstm", "released_lstm")


def rows(runs: Mapping[str, Sequence[Results]]) -> list[Row]:
    """Macro NDCG@10 of the fusion, of the released model and of the local fusion, by epsilon."""
    found: list[Row] = []
    for name, epsilon in POINTS.items():
        seeds = runs.get(name, ())
        if seeds:
            released = [r.macro[s].ndcg_10 for r in seeds for s in RELEASED if s in r.macro]
            found.append(
                {
                    "what": "privacy curve",
                    "epsilon": epsilon,
                    "fusion": mean(r.macro["fusion"].ndcg_10 for r in seeds),
                    "released model": mean(released) if released else None,
                    "local fusion": mean(alone(r.platforms.values()) for r in seeds),
                }
            )
    return found


def plot(found: Sequence[Row], path: Path) -> None:
    """A line a system; nothing where fewer than two epsilons were run."""
    if len(found) < 2:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    for system in ("fusion", "local fusion", "released model"):
        known = [row for row in found if row[system] is not None]
        labels, values = [row["epsilon"] for row in known], [row[system] for row in known]
        axes.plot(labels, values, marker="o", label=system)
    axes.set_xlabel("epsilon of each platform, all rounds")
    axes.set_ylabel("NDCG@10, macro mean")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
