"""`isthmus-coordinator articles`: the partners' keyed hashes, before a plan with statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, Home


def articles(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Lists that partners sent (articles export).")
    ] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Take in partners' lists of keyed article hashes; without FILES, show what is there."""
    from server.article_lists import read_lists, take_list
    from server.home import CoordinatorHome
    from shared.secagg.policy import default_colluders
    from shared.statistics import shared_articles

    directory = CoordinatorHome.existing(home)
    for path in files or ():
        partner, count = take_list(directory, path)
        typer.echo(f"{partner.name}: {count:,} articles taken in")
    lists = read_lists(directory)
    for name, own in lists.items():
        typer.echo(f"{name:20} {len(own):9,}")
    colluders = default_colluders(len(lists)) if lists else 0
    common = len(shared_articles(lists.values(), colluders))
    typer.echo(f"in the lists of {colluders + 2} partners at least: {common:,} articles")
    typer.echo("A plan with [statistics] fixes those that enough of its own partners carry.")
