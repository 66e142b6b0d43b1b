"""Content of the page's sections; a section without data is empty and left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from simulations.reporting.plots import curves_plot, privacy_plot, systems_plot, uplift_plot
from simulations.reporting.terminal import systems_of
from simulations.reporting.uplift import Uplift, comparison_label, comparisons, uplifts
from simulations.reporting.wording import (
    byte_count,
    deployable,
    epsilon_text,
    figure,
    in_order,
    longest_first,
    metric_label,
    small_number,
    system_epsilon,
    system_label,
    system_use,
    with_error,
)
from simulations.results import (
    METRICS,
    SYSTEMS,
    MacroResult,
    Metric,
    PlatformResults,
    Results,
    SystemName,
    SystemResult,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `best` of its column, `share` of a bar behind it (0 to 1)."""

    text: str
    best: bool = False
    share: float | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its heading."""

    head: str
    cells: Sequence[Cell]
    note: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table with everything its reader needs."""

    caption: str
    columns: Sequence[str]
    """Headings, that of the rows first."""
    rows: Sequence[Row]


def system_tables(results: Results) -> list[TableView]:
    """Every system on every platform, NDCG@10 and HR@10."""
    return [_system_table(results, metric) for metric in ("ndcg@10", "hr@10")]


def detail_tables(results: Results) -> list[TableView]:
    """All metrics, a table per platform."""
    return [
        TableView(
            f"All metrics on {name}",
            ["system", *(metric_label(metric) for metric in METRICS)],
            _turned(
                systems_of_platform(platform),
                [
                    _column(
                        [platform.systems[s] for s in systems_of_platform(platform)],
                        metric,
                        errors=False,
                    )
                    for metric in METRICS
                ],
            ),
        )
        for name, platform in results.platforms.items()
        if platform.systems
    ]


def systems_of_platform(platform: PlatformResults) -> list[SystemName]:
    """Systems that ran on a platform, in the order of tables."""
    return [system for system in SYSTEMS if system in platform.systems]


def system_plots(results: Results) -> list[tuple[str, Markup]]:
    """(platform, plot) of the systems."""
    return [
        (name, systems_plot(f"systems-{i}", name, platform))
        for i, (name, platform) in enumerate(results.platforms.items())
        if platform.systems
    ]


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
    ]
    columns = ["platform", "comparison", "metric", "mean", "95% interval", "reading"]
    return TableView("Differences over the same users, paired bootstrap", columns, rows)


def curve_plots(results: Results) -> list[tuple[str, Markup]]:
    """(platform, plot) of the learning curves."""
    return [
        (name, curves_plot(f"curves-{i}", name, platform))
        for i, (name, platform) in enumerate(results.platforms.items())
        if platform.curves
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
        Row(name, [_weight(p.fusion_weights, part) for part in parts])
        for name, p in results.platforms.items()
        if p.fusion_weights
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


def _system_table(results: Results, metric: Metric) -> TableView:
    systems = systems_of(results)
    names = list(results.platforms)
    columns = [
        _column([results.platforms[name].systems.get(s) for s in systems], metric) for name in names
    ]
    headings = ["system", "ε", *names]
    if results.macro and len(names) > 1:
        headings[2:2] = ["macro mean", "worst platform"]
        columns.insert(0, _column([results.macro.get(s) for s in systems], metric))
        columns.insert(1, [_worst_cell(results.macro.get(s), metric) for s in systems])
    columns.insert(0, [Cell(system_epsilon(results, s) or "–") for s in systems])
    return TableView(
        f"{metric_label(metric)} ± standard error", headings, _turned(systems, columns)
    )


def _turned(systems: Sequence[SystemName], columns: Sequence[Sequence[Cell]]) -> list[Row]:
    return [
        Row(
            system_label(system),
            cells,
            note=system_use(system),
            kind="usable" if deployable(system) else "reference",
        )
        for system, *cells in zip(systems, *columns, strict=True)
    ]


def _column(
    found: Sequence[SystemResult | MacroResult | None], metric: Metric, *, errors: bool = True
) -> list[Cell]:
    best = max((r.value(metric) for r in found if r), default=None)
    return [
        Cell(
            with_error(r.value(metric), r.se.value(metric) if errors else None),
            best=r.value(metric) == best,
        )
        if r
        else Cell("–")
        for r in found
    ]


def _worst_cell(found: MacroResult | None, metric: Metric) -> Cell:
    if found is None:
        return Cell("–")
    value = found.worst.ndcg_10 if metric == "ndcg@10" else found.worst.hr_10
    return Cell(f"{figure(value)} {found.worst.platform}")


def _uplift_cells(uplift: Uplift) -> list[Cell]:
    readings = {"gain": "better", "loss": "worse", "unclear": "no significant difference"}
    return [
        Cell(uplift.change),
        Cell(uplift.interval_words.removeprefix("interval ")),
        Cell(readings[uplift.outcome], tone=uplift.outcome),
    ]


def _weight(weights: dict[str, float], part: str) -> Cell:
    total = sum(weights.values())
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
