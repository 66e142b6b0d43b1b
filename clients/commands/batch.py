"""`isthmus-node batch`: recommendations for all users as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clients.commands.home import DEFAULT_HOME, Home


def batch(
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    k: Annotated[int, typer.Option("-k", min=1, max=200, help="Length of each list.")] = 10,
    home: Home = DEFAULT_HOME,
) -> None:
    """Write a list for every user; users stand as pseudonyms, opted-out users are not in it."""
    from rich.console import Console

    from clients.home import NodeHome
    from clients.node_config import read_node_config
    from clients.serving.batch import write_batch
    from clients.serving.opening import open_service
    from shared.progress import reporter

    node = NodeHome.existing(home)
    service = open_service(node, read_node_config(node))
    if service.problem is not None:
        typer.echo(f"no model is served: {service.problem}", err=True)
    with reporter(Console(stderr=True)) as progress:
        users = service.engine.users.names()
        rows = write_batch(service.engine, users, k, out, progress.step("lists"))
    service.close()
    typer.echo(f"{rows} rows for {len(users)} users: {out}")
