"""The attacks in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulations.attacks.results import AttackResults
from simulations.reporting.attack_tables import (
    inversion_tables,
    membership_tables,
    promotion_tables,
)
from simulations.reporting.attack_wording import headline
from simulations.reporting.blocks import new_table
from simulations.reporting.views import TableView


def render_attacks(results: AttackResults, console: Console) -> None:
    """Print every table, then a sentence for each attack."""
    tables = (*inversion_tables(results), *membership_tables(results), *promotion_tables(results))
    for view in tables:
        console.print(_table(view))
    for sentence in headline(results):
        console.print(Text(f"\n{sentence}", style="bold"))


def _table(view: TableView) -> Table:
    table = new_table(view.caption)
    for number, column in enumerate(view.columns):
        table.add_column(Text(column), justify="right" if number else "left")
    for row in view.rows:
        cells = [Text(cell.text, style="red" if cell.tone == "loss" else "") for cell in row.cells]
        table.add_row(Text(row.head), *cells)
    return table
