"""From the results of runs to rows and goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Final

from benchmarks.report import Row, goal
from simulations.results import Metric, PlatformResults, Results

NDCG: Final[Metric] = "ndcg@10"
JOINED: Final = "fusion_vs_local"
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
    found = [
        goal(
            f"{name}: fusion over local fusion, macro NDCG@10, mean of seeds",
            value,
            0.1,
            least=True,
        )
        for name in JOINING
        for value in (_gain(name, runs.get(name, ())),)
    ]
    found += [
        goal(
            f"{name}: interval of that difference, lowest end of all seeds", value, 1e-6, least=True
        )
        for name in JOINING
        for value in (_lowest(name, runs.get(name, ())),)
    ]
    found += [
        goal(f"{name}: platforms significantly worse for joining, all seeds", harmed, 0)
        for name, seeds in runs.items()
        for harmed in (_harmed(seeds),)
    ]
    found += _over_baseline(runs.get("cross-vertical", ()))
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


def _asked(name: str, results: Results) -> list[PlatformResults]:
    """The platforms that a scenario is about: beside a giant, the small ones."""
    platforms = sorted(results.platforms.values(), key=lambda p: p.users)
    return platforms[:-1] if name == GIANT else platforms


def _difference(name: str, results: Results) -> tuple[float, float]:
    """Macro difference of the fusion to the local one, and the lower end of its interval."""
    if name != GIANT:
        found = results.macro_uplift[JOINED][NDCG]
        return found.mean, found.low
    each = [p.uplift[JOINED][NDCG] for p in _asked(name, results)]  # no user is at two shops
    half = sum(((i.high - i.low) / 2) ** 2 for i in each) ** 0.5 / len(each)
    return mean(i.mean for i in each), mean(i.mean for i in each) - half


def _gain(name: str, seeds: Sequence[Results]) -> float | None:
    """Mean relative gain of the fusion over the local one."""
    gains = [_difference(name, r)[0] / _alone(_asked(name, r)) for r in seeds]
    return mean(gains) if gains else None


def _alone(platforms: Sequence[PlatformResults]) -> float:
    return mean(p.local_fusion.ndcg_10 for p in platforms if p.local_fusion)


def _lowest(name: str, seeds: Sequence[Results]) -> float | None:
    lows = [_difference(name, results)[1] for results in seeds]
    return min(lows) if lows else None


def _harmed(seeds: Sequence[Results]) -> int:
    return sum(
        p.uplift[JOINED][NDCG].high < 0
        for results in seeds
        for p in results.platforms.values()
        if JOINED in p.uplift
    )


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
