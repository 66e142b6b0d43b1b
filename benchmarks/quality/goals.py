"""From the results of runs to rows and goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Final

from benchmarks.quality.joining import JOINED, NDCG, NEVER_SEEN, gain, harmed, newcomer, systems
from benchmarks.report import Row, goal
from simulations.results import PlatformResults, Results

GIANT: Final = "giant-and-small"
JOINING: Final = ("same-vertical", GIANT)
"""Scenarios in which joining is to pay."""
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
    found = [row for name in JOINING for row in _joining(name, runs.get(name, ()))]
    lows = [newcomer(r).uplift[JOINED][NDCG].low for r in runs.get("new-shop", ())]
    name = "new-shop: the newcomer, interval of the difference, lowest end of all seeds"
    found.append(_above_zero(name, lows))
    for name, seeds in runs.items():
        lost = sum(len(list(harmed(results))) for results in seeds)
        found.append(goal(f"{name}: platforms significantly worse for joining, all seeds", lost, 0))
    found += _over_baseline(runs.get("cross-vertical", ()))
    name = "epsilon 8 over no privacy, macro NDCG@10 of the fusion"
    found.append(goal(name, _kept(runs), 0.97, least=True))
    for shop, (hits, ranked) in TINY.items():
        for metric, limit in (("hr@10", hits), (NDCG, ranked)):
            value = _platform(runs.get("tiny", ()), shop, metric)
            found.append(goal(f"tiny: fusion, {shop} {metric}", value, limit, least=True))
    return found


def _joining(name: str, seeds: Sequence[Results]) -> list[Row]:
    """What one scenario in which joining is to pay has to show."""
    gains = [gain(results) for results in seeds]
    mean_gain = mean(g.mean for g in gains) if gains else None
    unseen = [r.slice_uplift.get(JOINED, {}).get(NEVER_SEEN) for r in seeds]
    return [
        goal(
            f"{name}: fusion over local fusion, macro NDCG@10, mean of seeds",
            mean_gain,
            0.1,
            least=True,
        ),
        _above_zero(
            f"{name}: interval of that difference, lowest end of all seeds", [g.low for g in gains]
        ),
        _above_zero(
            f"{name}: never seen targets, interval of the difference, lowest end of all seeds",
            [interval.low for interval in unseen if interval],
        ),
    ]


def _above_zero(name: str, lows: Sequence[float]) -> Row:
    return goal(name, min(lows, default=None), 1e-6, least=True)


def _systems(platform: PlatformResults) -> list[Row]:
    """Every system's figures on a platform."""
    return [
        {
            "system": name,
            "hr@10": result.hr_10,
            NDCG: result.ndcg_10,
            "se": result.se.ndcg_10,
            "epsilon": result.epsilon,
        }
        for name, result in systems(platform).items()
    ]


def _over_baseline(seeds: Sequence[Results]) -> list[Row]:
    """What the fusion gains over item kNN + TF-IDF on whole categories."""
    gains = [
        [
            p.systems["fusion"].ndcg_10 / p.systems["item_knn_tfidf"].ndcg_10 - 1
            for p in results.platforms.values()
        ]
        for results in seeds
    ]
    least = min((min(platforms) for platforms in gains), default=None)
    macro = [
        results.macro["fusion"].ndcg_10 / results.macro["item_knn_tfidf"].ndcg_10 - 1
        for results in seeds
    ]
    name = "cross-vertical: fusion over item kNN + TF-IDF, NDCG@10"
    return [
        goal(f"{name}, macro mean, mean of seeds", mean(macro) if macro else None, 0.1, least=True),
        goal(f"{name}, worst platform of all seeds", least, 1e-6, least=True),
    ]


def _kept(runs: Runs) -> float | None:
    """NDCG@10 of the fusion at epsilon 8 over that without privacy, the same seed."""
    private, free = runs.get(GIANT, ()), runs.get("epsilon-none", ())
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
