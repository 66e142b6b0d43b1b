"""Several runs side by side, and the spread over seeds of runs that are otherwise alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulations.reporting.blocks import add_figures_column, marked, new_table, print_in_blocks
from simulations.reporting.terminal import SHOWN
from simulations.reporting.wording import (
    change,
    count_of,
    figure,
    metric_label,
    system_epsilon,
    system_label,
    with_error,
)
from simulations.results import (
    SYSTEMS,
    MacroResult,
    Metric,
    Results,
    SystemName,
    macro,
    read_results,
)

CELL_WIDTH = 24
"""A figure, its standard error and its difference from the first run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRun:
    """A run and what its column is called."""

    label: str
    results: Results

    @property
    def macro(self) -> dict[SystemName, MacroResult]:
        """Means over its platforms, worked out where the file holds none."""
        return self.results.macro or macro(self.results.platforms)


def compare(run_dirs: list[Path], console: Console) -> None:
    """Print macro means of every run, their difference from the first, and means over seeds.

    Raises
    ------
    simulations.results.UnreadableResultsError, OtherSchemaError, InvalidResultsError
        A directory holds no results that can be read.
    """
    runs = labelled(run_dirs)
    for run in runs:
        console.print(Text(_described(run)))
    if len({frozenset(run.results.platforms) for run in runs}) > 1:
        warning = "The runs have different platforms: their macro means are over different things."
        console.print(Text(warning, style="yellow"))
    for metric in SHOWN:
        _print_metric(runs, metric, console)
    note = "± standard error over users; in parentheses the difference from the first run"
    console.print(Text(note, style="dim"))
    for group in seed_groups(runs):
        console.print(_seed_table(group))


def labelled(run_dirs: Sequence[Path]) -> list[LabelledRun]:
    """Read runs; each is called as its directory, or numbered too where names repeat."""
    names = [path.resolve().name for path in run_dirs]
    return [
        LabelledRun(
            label=name if names.count(name) == 1 else f"{name} ({number})",
            results=read_results(path),
        )
        for number, (path, name) in enumerate(zip(run_dirs, names, strict=True), start=1)
    ]


def seed_groups(runs: Sequence[LabelledRun]) -> list[list[LabelledRun]]:
    """Runs of one recipe on the same platforms, one for each of at least two seeds."""
    groups: dict[tuple[str, frozenset[str]], dict[int, LabelledRun]] = {}
    for run in runs:
        key = (run.results.recipe, frozenset(run.results.platforms))
        groups.setdefault(key, {}).setdefault(run.results.seed, run)
    return [list(group.values()) for group in groups.values() if len(group) > 1]


def _described(run: LabelledRun) -> str:
    results = run.results
    platforms = count_of(len(results.platforms), "platform")
    git = f", {results.git}" if results.git else ""
    return f"{run.label}: {results.recipe}, seed {results.seed}, {platforms}{git}"


def _print_metric(runs: Sequence[LabelledRun], metric: Metric, console: Console) -> None:
    systems = [s for s in SYSTEMS if any(s in run.macro for run in runs)]

    def build(part: Sequence[LabelledRun], first: bool) -> Table:
        title = f"macro {metric_label(metric)}" + ("" if first else ", continued")
        table = new_table(title)
        table.add_column("system", no_wrap=True)
        columns = [[Text(system_label(s)) for s in systems]]
        for run in part:
            add_figures_column(table, run.label, width=CELL_WIDTH)
            columns.append(_run_column(run, runs[0], systems, metric))
        for row in zip(*columns, strict=True):
            table.add_row(*row)
        return table

    print_in_blocks(console, runs, build)


def _run_column(
    run: LabelledRun, first: LabelledRun, systems: Sequence[SystemName], metric: Metric
) -> list[Text]:
    found = [run.macro.get(system) for system in systems]
    bases = [first.macro.get(system) for system in systems]
    cells = []
    for result, base in zip(found, bases, strict=True):
        cell = with_error(result.value(metric), result.se.value(metric)) if result else "–"
        if result and base and run is not first:
            cell += f" ({change(result.value(metric) - base.value(metric), relative=False)})"
        cells.append(cell)
    return marked(cells, [result.value(metric) if result else None for result in found])


def _seed_table(group: Sequence[LabelledRun]) -> Table:
    recipe = group[0].results.recipe
    seeds = ", ".join(str(run.results.seed) for run in group)
    commits = {run.results.git for run in group}
    title = f"{recipe}: mean ± standard deviation over {len(group)} seeds ({seeds})"
    table = new_table(title + (", of different commits" if len(commits) > 1 else ""))
    table.add_column("system", no_wrap=True)
    table.add_column("ε", justify="right", no_wrap=True)
    for metric in SHOWN:
        add_figures_column(table, f"macro {metric_label(metric)}")
    systems = [s for s in SYSTEMS if all(s in run.macro for run in group)]
    columns = [_spread_column(group, systems, metric) for metric in SHOWN]
    for i, system in enumerate(systems):
        epsilon = Text(system_epsilon(group[0].results, system))
        table.add_row(system_label(system), epsilon, *(column[i] for column in columns))
    return table


def _spread_column(
    group: Sequence[LabelledRun], systems: Sequence[SystemName], metric: Metric
) -> list[Text]:
    values = [[run.macro[system].value(metric) for run in group] for system in systems]
    means = [mean(found) for found in values]
    cells = [f"{figure(m)} ±{figure(stdev(v))}" for m, v in zip(means, values, strict=True)]
    return marked(cells, means)
