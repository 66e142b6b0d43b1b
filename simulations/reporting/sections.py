"""Content of the page's sections; a section without data is empty and left out."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from clients.recommenders.fusion import COLD_PART
from simulations.reporting.curves import Phase, curves
from simulations.reporting.plots import curves_plot, privacy_plot, uplift_plot
from simulations.reporting.uplift import (
    Uplift,
    comparison_label,
    comparisons,
    pooled_uplifts,
    uplifts,
)
from simulations.reporting.views import Cell, Row, TableView
from simulations.reporting.wording import (
    byte_count,
    epsilon_text,
    figure,
    in_order,
    longest_first,
    metric_label,
    small_number,
    system_label,
)
from simulations.results import (
    METRICS,
    SYSTEMS,
    PlatformResults,
    Results,
)

COLD_ROW: Final = ", items nobody there has met"


def uplift_view(results: Results) -> tuple[list[Uplift], Markup | None]:
    """What joining brings to each platform, and its plot."""
    found = uplifts(results)
    return found, uplift_plot("uplift", found) if found else None


def uplift_table(results: Results) -> TableView:
    """Every comparison in the results, every metric."""
    rows = [
        Row(
            u.platform,
            [Cell(comparison_label(name)), Cell(metric_label(metric)), *_uplift_cells(u)],
        )
        for name in comparisons(results)
        for metric in METRICS
        for u in uplifts(results, name, metric)
    ] + [
        Row(u.platform, [Cell(comparison_label(name)), Cell("NDCG@10"), *_uplift_cells(u)])
        for name in comparisons(results)
        for u in pooled_uplifts(results, name)
    ]
    columns = ["platform", "comparison", "metric", "mean", "95% interval", "reading"]
    return TableView("Differences over the same users, paired bootstrap", columns, rows)


def curve_plots(results: Results, phase: Phase) -> list[tuple[str, Markup]]:
    """(platform, plot) of the learning curves of one phase."""
    lines = {name: curves(platform, phase) for name, platform in results.platforms.items()}
    return [
        (name, curves_plot(f"{phase}-{i}", name, found))
        for i, (name, found) in enumerate(lines.items())
        if found
    ]


def privacy_plots(results: Results) -> list[tuple[str, Markup]]:
    """(platform, plot) of the privacy spent over rounds."""
    return [
        (name, privacy_plot(f"privacy-{i}", name, platform))
        for i, (name, platform) in enumerate(results.platforms.items())
        if platform.privacy
    ]


def privacy_table(results: Results) -> TableView:
    """What every platform has spent in all."""
    rows = [
        Row(
            name,
            [
                Cell(epsilon_text(p.epsilon)),
                Cell(small_number(p.delta) if p.delta is not None else "–"),
                Cell(f"{p.users:,}"),
            ],
        )
        for name, p in results.platforms.items()
        if p.epsilon is not None
    ]
    return TableView("Spent for everything ever sent", ["platform", "ε", "δ", "users"], rows)


def weights_table(results: Results) -> TableView:
    """Share of every part in each platform's fusion."""
    parts = in_order(part for p in results.platforms.values() for part in p.fusion_weights)
    rows = [
        Row(name + suffix, [_weight(weights, part) for part in parts])
        for name, p in results.platforms.items()
        for suffix, weights in (("", p.fusion_weights), (COLD_ROW, p.fusion_cold_weights))
        if weights
    ]
    columns = ["platform", *(system_label(part) for part in parts)]
    return TableView("Share of each part, learned on the platform", columns, rows)


def slice_tables(results: Results) -> list[TableView]:
    """NDCG@10 by group of users, a table per platform."""
    return [
        _slice_table(name, platform)
        for name, platform in results.platforms.items()
        if platform.slices
    ]


def data_table(results: Results) -> TableView:
    """Size of every platform."""
    rows = [
        Row(name, [Cell(f"{n:,}") for n in (p.users, p.items, p.interactions)])
        for name, p in results.platforms.items()
    ]
    return TableView("The platforms", ["platform", "users", "items", "interactions"], rows)


def cost_tables(results: Results) -> list[TableView]:
    """Wall time of the stages, and bytes sent."""
    times = [Row(stage, [Cell(time)]) for stage, time in longest_first(results.timings)]
    sent = [Row(name, [Cell(byte_count(results.bytes[name]))]) for name in in_order(results.bytes)]
    tables = (
        TableView("Wall time by stage", ["stage", "time"], times),
        TableView("Bytes by direction or message", ["what", "size"], sent),
    )
    return [table for table in tables if table.rows]


def _uplift_cells(uplift: Uplift) -> list[Cell]:
    readings = {"gain": "better", "loss": "worse", "unclear": "no significant difference"}
    return [
        Cell(uplift.change),
        Cell(uplift.interval_words.removeprefix("interval ")),
        Cell(readings[uplift.outcome], tone=uplift.outcome),
    ]


def _weight(weights: dict[str, float], part: str) -> Cell:
    total = sum(weight for name, weight in weights.items() if name != COLD_PART)
    if part not in weights or not total:
        return Cell("–")
    share = weights[part] / total
    return Cell(f"{share:.0%}", share=share)


def _slice_table(name: str, platform: PlatformResults) -> TableView:
    systems = [s for s in SYSTEMS if any(s in group for group in platform.slices.values())]
    rows = []
    for group in in_order(platform.slices):
        found = platform.slices[group]
        best = max((r.ndcg_10 for r in found.values()), default=None)
        users = max((r.users for r in found.values()), default=0)
        cells = [
            Cell(figure(found[s].ndcg_10), best=bool(users) and found[s].ndcg_10 == best)
            if s in found and users
            else Cell("–")
            for s in systems
        ]
        rows.append(Row(group, [Cell(f"{users:,}"), *cells]))
    columns = ["group", "users", *(system_label(s) for s in systems)]
    return TableView(f"NDCG@10 by group of users on {name}", columns, rows)
