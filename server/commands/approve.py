"""`isthmus-coordinator approve`: admit a partner, or renew its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, Home


def approve(
    request: Annotated[Path, typer.Argument(help="The partner's join request.")],
    fingerprint: Annotated[
        str,
        typer.Option(help="What the partner read out to you. Not needed for a renewal."),
    ] = "",
    home: Home = DEFAULT_HOME,
) -> None:
    """Admit the partner that made a join request; a renewal replaces its certificate."""
    from server.enrolment import approve as admit
    from server.home import CoordinatorHome

    path = admit(CoordinatorHome.existing(home), request, fingerprint)
    typer.echo(f"Send this file back to the partner: {path}")
