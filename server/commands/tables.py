"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer


def show_table(rows: Sequence[dict[str, Any]], nothing: str) -> None:
    """Print `rows`, all with the same keys; `nothing` if there are none.

    The first column is what people copy into the next command, so it is never shortened.
    """
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo(nothing)
        return
    table = Table(box=None)
    for place, name in enumerate(rows[0]):
        widest = max(len(str(row[name])) for row in rows)
        table.add_column(str(name), overflow="fold", min_width=0 if place else widest)
    for row in rows:
        table.add_row(*[str(value) for value in row.values()])
    Console().print(table)
