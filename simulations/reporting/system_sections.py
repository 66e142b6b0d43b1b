"""Systems side by side, on the page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from simulations.reporting.plots import systems_plot
from simulations.reporting.terminal import systems_of
from simulations.reporting.views import Cell, Row, TableView
from simulations.reporting.wording import (
    deployable,
    figure,
    metric_label,
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
