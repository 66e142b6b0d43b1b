"""`isthmus-coordinator invite`: the file with which a partner can ask to join."""

from __future__ import annotations

from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, Home


def invite(
    partner: Annotated[str, typer.Argument(help="Name of the partner: a-z, 0-9 and dashes.")],
    home: Home = DEFAULT_HOME,
) -> None:
    """Write an invitation for a partner and show the fingerprint to read out to it."""
    from server.enrolment import invite as write
    from server.home import CoordinatorHome

    invitation, path = write(CoordinatorHome.existing(home), partner)
    typer.echo(f"Send this file to {partner}: {path}")
    typer.echo(f"Read this out to them by telephone: {invitation.fingerprint()}")
