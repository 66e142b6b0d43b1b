"""The results of a run in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulations.reporting.blocks import add_figures_column, marked, new_table, print_in_blocks
from simulations.reporting.privacy import short
from simulations.reporting.uplift import pooled_uplifts, split_groups, uplifts
from simulations.reporting.wording import (
    byte_count,
    byte_totals,
    count_of,
    epsilon_text,
    figure,
    listing,
    longest_first,
    metric_label,
    small_number,
    system_epsilon,
    system_label,
    with_error,
)
from simulations.results import SYSTEMS, MacroResult, Metric, Results, SystemName, SystemResult

SHOWN: tuple[Metric, ...] = ("ndcg@10", "hr@10")
WORST_NAME_WIDTH = 12

_COLOURS = {"gain": "green", "loss": "red", "unclear": ""}


def render_table(results: Results, console: Console) -> None:
    """Print systems side by side, then what joining brings, what it costs in privacy and time."""
    _line(console, _title(results), "bold")
    for metric in SHOWN:
        _print_metric(results, metric, console)
    _line(console, "± standard error over users; bold: best of its column", "dim")
    _print_uplift(results, console)
    _print_notes(results, console)
    _print_privacy(results, console)
    _print_cost(results, console)


def systems_of(results: Results) -> list[SystemName]:
    """Systems that ran on any platform, in the order of tables."""
    return [s for s in SYSTEMS if any(s in p.systems for p in results.platforms.values())]


def _title(results: Results) -> str:
    parts = (
        results.recipe,
        f"seed {results.seed}",
        count_of(len(results.platforms), "platform"),
        results.git,
    )
    return " · ".join(filter(None, parts))


def _print_metric(results: Results, metric: Metric, console: Console) -> None:
    systems = systems_of(results)

    def build(names: Sequence[str], first: bool) -> Table:
        table = new_table(metric_label(metric) + ("" if first else ", continued"))
        table.add_column("system", no_wrap=True)
        columns: list[list[Text]] = [[Text(system_label(s)) for s in systems]]
        columns += _epsilon_column(table, results, systems)
        if first:
            columns += _summary_columns(table, results, systems, metric)
        for name in names:
            add_figures_column(table, name)
            found = results.platforms[name].systems
            columns.append(_figures([found.get(s) for s in systems], metric))
        for row in zip(*columns, strict=True):
            table.add_row(*row)
        return table

    print_in_blocks(console, list(results.platforms), build)


def _epsilon_column(
    table: Table, results: Results, systems: Sequence[SystemName]
) -> list[list[Text]]:
    epsilons = [system_epsilon(results, system) for system in systems]
    if not any(epsilons):
        return []
    table.add_column("ε", justify="right", no_wrap=True)
    return [[Text(epsilon) for epsilon in epsilons]]


def _summary_columns(
    table: Table, results: Results, systems: Sequence[SystemName], metric: Metric
) -> list[list[Text]]:
    if len(results.platforms) < 2 or not results.macro:
        return []
    table.add_column("macro mean", justify="right")
    table.add_column("worst platform", no_wrap=True)
    means = _figures([results.macro.get(system) for system in systems], metric)
    return [means, _worst(results, systems, metric)]


def _figures(found: Sequence[SystemResult | MacroResult | None], metric: Metric) -> list[Text]:
    values = [result.value(metric) if result else None for result in found]
    cells = [with_error(r.value(metric), r.se.value(metric)) if r else "–" for r in found]
    return marked(cells, values)


def _worst(results: Results, systems: Sequence[SystemName], metric: Metric) -> list[Text]:
    found = [results.macro[s].worst if s in results.macro else None for s in systems]
    values = [(w.ndcg_10 if metric == "ndcg@10" else w.hr_10) if w else None for w in found]
    cells = [
        f"{figure(value)} {_short(w.platform)}" if w and value is not None else "–"
        for w, value in zip(found, values, strict=True)
    ]
    return marked(cells, values)


def _short(name: str) -> str:
    return name if len(name) <= WORST_NAME_WIDTH else f"{name[: WORST_NAME_WIDTH - 1]}…"


def _print_uplift(results: Results, console: Console) -> None:
    found = uplifts(results)
    if not found:
        return
    _line(console, "\nIs joining worth it?", "bold")
    mean, groups = split_groups(pooled_uplifts(results))
    told = [*found, *mean, *(group for group in groups if group.outcome != "unclear")]
    for uplift in told:
        sentence = f"{uplift.platform}: {uplift.sentence()}"
        _line(console, sentence, _COLOURS[uplift.outcome])
    rest = [group.platform for group in groups if group.outcome == "unclear"]
    if rest:
        _line(console, f"no significant difference for {listing(rest)}")
    for name, platform in results.platforms.items():
        if platform.situation:
            _line(console, f"{name}: {platform.situation}")


def _print_notes(results: Results, console: Console) -> None:
    found = [f"{name}: {note}" for name, p in results.platforms.items() for note in p.notes]
    if found:
        _line(console, "\nWhat the nodes say of their models", "bold")
    for note in found:
        _line(console, note)


def _print_privacy(results: Results, console: Console) -> None:
    spent = [
        f"{name} ε = {epsilon_text(p.epsilon)}"
        + (f" at δ = {small_number(p.delta)}" if p.delta else "")
        for name, p in results.platforms.items()
        if p.epsilon is not None
    ]
    if spent:
        _line(console, "\nPrivacy spent", "bold")
        _line(console, "; ".join(spent))
        _line(console, short(results), "dim")


def _print_cost(results: Results, console: Console) -> None:
    parts = [f"{stage} {time}" for stage, time in longest_first(results.timings)]
    parts += [f"{name} {byte_count(count)}" for name, count in byte_totals(results.bytes).items()]
    if parts:
        _line(console, "\nTime and bytes", "bold")
        _line(console, " · ".join(parts))


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style))
