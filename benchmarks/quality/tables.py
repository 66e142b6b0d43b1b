"""The tables of ``docs/benchmarks.md`` from the results of runs, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import mean
from typing import Final

from benchmarks.quality.joining import (
    JOINED,
    LOCAL,
    NDCG,
    NEVER_SEEN,
    Gain,
    alone,
    asked,
    gain,
    harmed,
    newcomer,
    systems,
)
from simulations.results import Metrics, Results

BASELINE: Final = "item_knn_tfidf"
HEAD: Final = (
    "| scenario | seed | item kNN + TF-IDF | fusion without the federation | fusion | joining "
    "| fusion over item kNN + TF-IDF | significantly worse |\n|---|---|---|---|---|---|---|---|\n"
)


def scenarios(runs: Mapping[str, Sequence[Results]]) -> str:
    """Macro NDCG@10 of every run, what joining adds, and whom it harms."""
    rows = (_row(name, results) for name, seeds in runs.items() for results in seeds)
    return HEAD + "".join(rows)


def newcomers(runs: Mapping[str, Sequence[Results]]) -> str:
    """HR@10 and NDCG@10 of the smallest platform beside a giant, a row a seed."""
    head = "| seed | item kNN + TF-IDF | fusion without the federation | fusion | joining |\n"
    return head + "|---|---|---|---|---|\n" + "".join(map(_newcomer, runs.get("new-shop", ())))


def never_seen(runs: Mapping[str, Sequence[Results]]) -> str:
    """What joining adds to NDCG@10 where the target was never sold at the shop before."""
    head = "| scenario | seed | never seen targets, all users, NDCG@10 |\n|---|---|---|\n"
    return head + "".join(_never_seen(runs))


def platforms(runs: Mapping[str, Sequence[Results]]) -> str:
    """HR@10 / NDCG@10 of every system on every platform, means over a scenario's seeds."""
    return "\n".join(_platforms(name, seeds) for name, seeds in runs.items())


def _platforms(name: str, seeds: Sequence[Results]) -> str:
    shops = list(seeds[0].platforms)
    lines = [_line((name, *shops, "mean")), f"|{'---|' * (len(shops) + 2)}\n"]
    found = {shop: [systems(results.platforms[shop]) for results in seeds] for shop in shops}
    for system in found[shops[0]][0]:
        each = [[seed[system] for seed in found[shop]] for shop in shops]
        lines.append(_line((system, *map(_pair, each), _pair([*chain(*each)]))))
    return "".join(lines)


def _pair(found: Sequence[Metrics]) -> str:
    return f"{_figure(mean(m.hr_10 for m in found))} / {_figure(mean(m.ndcg_10 for m in found))}"


def _row(name: str, results: Results) -> str:
    platforms = asked(results)
    base, fusion = (
        mean(p.systems[system].ndcg_10 for p in platforms) for system in (BASELINE, "fusion")
    )
    lost = [f"{shop} {loss.mean:+.1%}" for shop, loss in harmed(results)]
    cells = (
        name,
        results.seed,
        _figure(base),
        _figure(alone(platforms)),
        _figure(fusion),
        _percent(gain(results)),
        f"{fusion / base - 1:+.0%}",
        f"{len(lost)} of {len(results.platforms)}{': ' * bool(lost)}{', '.join(lost)}",
    )
    return _line(cells)


def _newcomer(results: Results) -> str:
    platform = newcomer(results)
    difference = platform.uplift[JOINED][NDCG]
    figures = [_pair([systems(platform)[name]]) for name in (BASELINE, LOCAL, "fusion")]
    added = f"{difference.mean:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
    return _line((results.seed, *figures, added))


def _never_seen(runs: Mapping[str, Sequence[Results]]) -> Iterator[str]:
    for name, seeds in runs.items():
        for results in seeds:
            found = results.slice_uplift.get(JOINED, {}).get(NEVER_SEEN)
            if found:
                interval = f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
                yield _line((name, results.seed, interval))


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |\n"


def _figure(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _percent(found: Gain) -> str:
    return f"{found.mean:+.1%} ({found.low:+.1%} to {found.high:+.1%})"
