"""From the results of runs to rows and goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Final

from benchmarks.report import Row, goal
from simulations.results import PlatformResults, Results

NDCG: Final = "ndcg@10"
TINY: Final = {
    "beauty": (0.1531, 0.0815),
    "sports": (0.1231, 0.0675),
    "toys": (0.1098, 0.0501),
}
"""The strongest single model measured on the tiny set by others' code (a local SASRec with full
cross-entropy), HR@10 and NDCG@10 by platform."""
Runs = Mapping[str, Sequence[Results]]
"""Scenario → the results of its seeds."""


def rows(runs: Runs) -> list[Row]:
    """One row a scenario, seed, platform and system, and one for each difference."""
    found: list[Row] = []
    for name, seeds in runs.items():
        for results in seeds:
            head: Row = {"scenario": name, "seed": results.seed}
            for shop, platform in results.platforms.items():
                found += [{**head, "platform": shop, **row} for row in _systems(platform)]
            for comparison, metrics in results.macro_uplift.items():
                for metric, interval in metrics.items():
                    row = {"comparison": comparison, "metric": metric, **interval.model_dump()}
                    found.append({**head, "platform": "macro mean", **row})
            for comparison, groups in results.slice_uplift.items():
                for group, interval in groups.items():
                    row = {"comparison": comparison, "group": group, **interval.model_dump()}
                    found.append({**head, "platform": "all users", **row})
    return found


def goals(runs: Runs) -> list[Row]:
    """What the project promises of joining; a scenario that was not run has no value."""
    found = [
        goal(
            f"{name}: fusion over local fusion, macro NDCG@10, mean of seeds",
            value,
            0.1,
            least=True,
        )
        for name in ("same-vertical", "giant-and-small")
        for value in (_gain(runs.get(name, ())),)
    ]
    found += [
        goal(
            f"{name}: interval of that difference, lowest end of all seeds", value, 1e-6, least=True
        )
        for name in ("same-vertical", "giant-and-small")
        for value in (_lowest(runs.get(name, ())),)
    ]
    found += [
        goal(f"{name}: platforms significantly worse for joining, all seeds", harmed, 0)
        for name, seeds in runs.items()
        for harmed in (_harmed(seeds),)
    ]
    found.append(
        goal(
            "epsilon 8 over no privacy, macro NDCG@10 of the fusion", _kept(runs), 0.97, least=True
        )
    )
    for shop, (hits, gain) in TINY.items():
        for metric, limit in (("hr@10", hits), (NDCG, gain)):
            value = _platform(runs.get("tiny", ()), shop, metric)
            found.append(goal(f"tiny: fusion, {shop} {metric}", value, limit, least=True))
    return found


def _systems(platform: PlatformResults) -> list[Row]:
    """Every system's figures on a platform, the fusion that it could make alone included."""
    systems = {str(name): result for name, result in platform.systems.items()}
    if platform.local_fusion is not None:
        systems["local_fusion"] = platform.local_fusion
    return [
        {
            "system": name,
            "hr@10": result.hr_10,
            NDCG: result.ndcg_10,
            "se": result.se.ndcg_10,
            "epsilon": result.epsilon,
        }
        for name, result in systems.items()
    ]


def _alone(results: Results) -> float:
    return mean(p.local_fusion.ndcg_10 for p in results.platforms.values() if p.local_fusion)


def _gain(seeds: Sequence[Results]) -> float | None:
    """Mean relative gain of the fusion over the local one."""
    gains = [r.macro_uplift["fusion_vs_local"]["ndcg@10"].mean / _alone(r) for r in seeds]
    return mean(gains) if gains else None


def _lowest(seeds: Sequence[Results]) -> float | None:
    lows = [r.macro_uplift["fusion_vs_local"]["ndcg@10"].low for r in seeds]
    return min(lows) if lows else None


def _harmed(seeds: Sequence[Results]) -> int:
    return sum(
        p.uplift["fusion_vs_local"]["ndcg@10"].high < 0
        for results in seeds
        for p in results.platforms.values()
        if "fusion_vs_local" in p.uplift
    )


def _kept(runs: Runs) -> float | None:
    """NDCG@10 of the fusion at epsilon 8 over that without privacy, the same seed."""
    private, free = runs.get("same-vertical", ()), runs.get("epsilon-none", ())
    pairs = [(p, f) for p in private for f in free if p.seed == f.seed]
    ratios = [p.macro["fusion"].ndcg_10 / f.macro["fusion"].ndcg_10 for p, f in pairs]
    return mean(ratios) if ratios else None


def _platform(seeds: Sequence[Results], shop: str, metric: str) -> float | None:
    values = [
        r.platforms[shop].systems["fusion"].value("hr@10" if metric == "hr@10" else "ndcg@10")
        for r in seeds
        if shop in r.platforms
    ]
    return mean(values) if values else None
