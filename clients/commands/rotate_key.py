"""`isthmus-node rotate-key`: a new pseudonym key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def rotate_key(
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    drop_unmatched: Annotated[
        bool,
        typer.Option("--drop-unmatched", help="Give up opt-outs of users the source has no more."),
    ] = False,
) -> None:
    """Change the key of the pseudonyms; stop the service first.

    The events are read once more, since only user ids can be turned into pseudonyms.
    """
    from rich.console import Console

    from clients.data.store import NodeStore
    from clients.home import NodeHome
    from clients.lifecycle.key_rotation import rotate_key as rotate
    from clients.node_config import read_node_config
    from shared.progress import reporter

    directory = NodeHome.existing(home)
    config, store = read_node_config(directory), NodeStore(directory)
    with reporter(Console(stderr=True)) as progress:
        done = rotate(directory, store, config, drop_unmatched=drop_unmatched, progress=progress)
    typer.echo(
        f"{done.users} users have new pseudonyms; live data of {done.moved} moved, "
        f"of {done.dropped} dropped; {done.report.events.rows_kept} events stored"
    )
