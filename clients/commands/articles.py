"""`isthmus-node articles`: the partners' key, and the list by which shared articles are found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clients.commands.home import DEFAULT_HOME, Home

app = typer.Typer(
    no_args_is_help=True, help="Compare articles with partners, for private statistics of them."
)


@app.command()
def key(
    source: Annotated[
        Path | None, typer.Argument(help="The key that a partner handed to you; none: a new one.")
    ] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Put the partners' common key in place, or make it; the coordinator must never have it."""
    from clients.home import NodeHome
    from clients.public_ids import new_article_key, take_article_key

    node = NodeHome.existing(home)
    if source is not None:
        typer.echo(f"The partners' key stands in {take_article_key(node, source)}.")
        return
    typer.echo(f"A new key stands in {new_article_key(node)}. Hand it to the other partners")
    typer.echo("yourself, over a channel that the coordinator does not see.")


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="File to write, for the coordinator.")],
    home: Home = DEFAULT_HOME,
) -> None:
    """Write the signed list of keyed hashes of this node's public ids for the coordinator."""
    from clients.home import NodeHome
    from clients.public_ids import export_articles

    count = export_articles(NodeHome.existing(home), target)
    typer.echo(f"Send this file to the coordinator: {target} ({count:,} articles)")
    typer.echo("It learns how many these are and how many others have too, not which ones.")
