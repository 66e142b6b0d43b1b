"""`isthmus-node metrics`: the node's federation metrics, once, for a textfile collector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def metrics(
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
) -> None:
    """Print budget, messages, refusals, plans and releases in Prometheus' text format."""
    from clients.home import NodeHome
    from clients.metrics import exposition

    typer.echo(exposition(NodeHome.existing(home)), nl=False)
