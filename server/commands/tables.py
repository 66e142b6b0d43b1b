"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer


def show_table(rows: Sequence[dict[str, Any]], nothing: str) -> None:
    """Print `rows`, all with the same keys; `nothing` if there are none."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo(nothing)
        return
    table = Table(*[str(name) for name in rows[0]], box=None)
    for row in rows:
        table.add_row(*[str(value) for value in row.values()])
    Console().print(table)
