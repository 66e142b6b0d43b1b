"""`isthmus-coordinator init`: authority, server certificate, identity and settings."""

from __future__ import annotations

from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, Home


def init(
    address: Annotated[
        str, typer.Option(help="host:port under which partners reach this coordinator.")
    ] = "localhost:8443",
    federation: Annotated[str, typer.Option(help="Name of the federation.")] = "isthmus",
    home: Home = DEFAULT_HOME,
    link_port: Annotated[int, typer.Option(help="Loopback port of the SuperLink.")] = 18000,
    renew: Annotated[bool, typer.Option(help="Only renew the server certificate.")] = False,
) -> None:
    """Make a coordinator: certificate authority, server certificate, identity, coordinator.toml."""
    from server.enrolment import create_coordinator, renew_server_certificate
    from server.home import CoordinatorHome

    if renew:
        renew_server_certificate(CoordinatorHome.existing(home))
        typer.echo("The server certificate was renewed; restart the coordinator.")
        return
    create_coordinator(CoordinatorHome(home), federation, address, link_port)
    typer.echo(f"Coordinator of {federation!r} made in {home}. Keep a backup of this directory.")
    typer.echo(f"Next: isthmus-coordinator invite NAME --home {home}")
