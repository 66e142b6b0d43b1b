"""`isthmus-node join`: from the coordinator's invitation to a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def join(
    document: Annotated[
        Path | None, typer.Argument(help="The coordinator's invitation, or its admission.")
    ] = None,
    fingerprint: Annotated[
        str, typer.Option(help="Of the invitation, as the coordinator's operator read it out.")
    ] = "",
    declared_users: Annotated[
        int, typer.Option(help="Public lower bound on this platform's users.")
    ] = 0,
    renew: Annotated[bool, typer.Option(help="Ask for the next certificate.")] = False,
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
) -> None:
    """Join a federation: first with the invitation, then with the admission that comes back."""
    from clients import enrolment
    from clients.home import NodeHome
    from clients.network_home import NetworkHome

    node = NodeHome.existing(home)  # a mistyped one would become another node, with other keys
    if renew:
        request, path = enrolment.renew(node)
        typer.echo(f"Send this file to the coordinator: {path}")
    elif document is None:
        raise typer.BadParameter("name the invitation or the admission, or --renew")
    elif enrolment.is_admission(document):
        renewal = NetworkHome.of(node).certificate.exists()
        certificate = enrolment.accept_admission(node, document)
        if renewal:
            typer.echo(f"Admitted until {certificate.not_valid_after_utc:%Y-%m-%d}.")
            typer.echo("A node that is running takes the new certificate up by itself.")
            return
        typer.echo(f"Admitted until {certificate.not_valid_after_utc:%Y-%m-%d}. Next:")
        typer.echo("  isthmus-node pin NAME KEY   for every other partner, then isthmus-node start")
    else:
        if declared_users < 1:
            raise typer.BadParameter("--declared-users N: a public lower bound on your users")
        if not fingerprint:
            raise typer.BadParameter("--fingerprint: what the coordinator's operator read out")
        request, path = enrolment.accept_invitation(node, document, fingerprint, declared_users)
        typer.echo(f"Send this file to the coordinator: {path}")
        typer.echo(f"Read this out to them by telephone: {request.fingerprint()}")
        typer.echo(f"Give your identity key to the other partners: {request.identity}")
