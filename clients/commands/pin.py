"""`isthmus-node pin`: trust another partner's identity key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pin(
    name: Annotated[str, typer.Argument(help="The partner's name in the federation.")],
    key: Annotated[str, typer.Argument(help="Its identity key: 64 hexadecimal digits.")],
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
) -> None:
    """Pin the identity key that another partner gave you; take it from the partner itself."""
    from clients.enrolment import pin as store
    from clients.home import NodeHome

    policy = store(NodeHome.existing(home), name, key)
    typer.echo(f"{name} is pinned; partners known to this node: {', '.join(policy.partners)}")
