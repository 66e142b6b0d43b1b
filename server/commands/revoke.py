"""`isthmus-coordinator revoke`: refuse a partner from now on."""

from __future__ import annotations

from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, Home


def revoke(
    partner: Annotated[str, typer.Argument(help="Name of the partner.")],
    home: Home = DEFAULT_HOME,
) -> None:
    """Withdraw all certificates of a partner; a running edge refuses them at its next request."""
    from server.enrolment import revoke as withdraw
    from server.home import CoordinatorHome

    revoked = withdraw(CoordinatorHome.existing(home), partner)
    typer.echo(f"{revoked.name} is refused from now on ({len(revoked.certificates)} certificates).")
