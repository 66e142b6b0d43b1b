"""`isthmus-node init`: a new node; asks what it was not told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

ORIGIN: Final = ("path", "url", "table", "query")
"""Settings of a table's place; the others say how it is read."""


def init(
    home: Annotated[Path, typer.Option(help="Directory of the new node.")] = Path("."),
    name: Annotated[str, typer.Option(help="The platform's name.")] = "",
    events: Annotated[str, typer.Option(help="Events: a file, folder or database URL.")] = "",
    events_table: Annotated[str, typer.Option(help="Table of the events, for a URL.")] = "",
    items: Annotated[str, typer.Option(help="Items: a file, folder or database URL.")] = "",
    items_table: Annotated[str, typer.Option(help="Table of the items, for a URL.")] = "",
    template: Annotated[
        Path | None, typer.Option(help="TOML file with settings to begin with, as in examples/.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Make a node: directories, keys with mode 0600, and a commented node.toml.

    Options win over the template. Paths within a template are relative to the home.
    """
    from clients.home import NodeHome
    from clients.lifecycle.creation import create_node
    from shared.config import read_toml

    chosen: dict[str, Any] = {} if template is None else read_toml(template)
    if not yes and template is None and sys.stdin.isatty():
        name = name or typer.prompt("Name of the platform", default=home.resolve().name)
        events = events or typer.prompt("Events (file, folder or database URL)", default="")
        items = items or typer.prompt("Items (file, folder or database URL)", default="")
    chosen["name"] = name or chosen.get("name") or home.resolve().name
    for section, place, table in (("events", events, events_table), ("items", items, items_table)):
        if place:
            data = chosen.setdefault("data", {})
            kept = {k: v for k, v in data.get(section, {}).items() if k not in ORIGIN}
            data[section] = kept | _origin(place, table or section)
    config = create_node(NodeHome(home), chosen)
    typer.echo(f"{config.name}: node in {home.resolve()}")
    typer.echo(f"next: look through {home / 'node.toml'}, then isthmus-node doctor --home {home}")


def _origin(place: str, table: str) -> dict[str, str]:
    """The section's values; files are named from where the user stands, so made absolute."""
    if "://" in place:
        return {"url": place, "table": table}
    return {"path": str(Path(place).expanduser().resolve())}
