"""`isthmus-node init`: a new node; asks what it was not told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def init(
    home: Annotated[Path, typer.Option(help="Directory of the new node.")] = Path("."),
    name: Annotated[str, typer.Option(help="The platform's name.")] = "",
    events: Annotated[str, typer.Option(help="Events: a file, folder or database URL.")] = "",
    events_table: Annotated[str, typer.Option(help="Table of the events, for a URL.")] = "",
    items: Annotated[str, typer.Option(help="Items: a file, folder or database URL.")] = "",
    items_table: Annotated[str, typer.Option(help="Table of the items, for a URL.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Make a node: directories, keys with mode 0600, and a commented node.toml."""
    from clients.home import NodeHome
    from clients.lifecycle.creation import create_node

    if not yes and sys.stdin.isatty():
        name = name or typer.prompt("Name of the platform", default=home.resolve().name)
        events = events or typer.prompt("Events (file, folder or database URL)", default="")
        items = items or typer.prompt("Items (file, folder or database URL)", default="")
    chosen: dict[str, Any] = {"name": name or home.resolve().name}
    data = {
        section: value
        for section, value in (
            ("events", _origin(events, events_table or "events")),
            ("items", _origin(items, items_table or "items")),
        )
        if value
    }
    config = create_node(NodeHome(home), chosen | ({"data": data} if data else {}))
    typer.echo(f"{config.name}: node in {home.resolve()}")
    typer.echo(f"next: look through {home / 'node.toml'}, then isthmus-node doctor --home {home}")


def _origin(place: str, table: str) -> dict[str, str]:
    """The section's values; files are named from where the user stands, so made absolute."""
    if not place:
        return {}
    if "://" in place:
        return {"url": place, "table": table}
    return {"path": str(Path(place).expanduser().resolve())}
