"""`isthmus-node keys`: API keys of the service."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from clients.commands.home import DEFAULT_HOME, Home

app = typer.Typer(no_args_is_help=True, help="API keys of the service.")
Name = Annotated[str, typer.Argument(help="Lower case letters, digits and hyphens.")]


@app.command()
def add(
    name: Name,
    role: Annotated[
        Literal["serve", "feedback", "admin"], typer.Option(help="What the key may do.")
    ] = "serve",
    home: Home = DEFAULT_HOME,
) -> None:
    """Make a key and show it once; only its hash is kept."""
    from clients.home import NodeHome
    from clients.serving.keys import ApiKeys, key_file

    typer.echo(ApiKeys(key_file(NodeHome.existing(home))).add(name, role))


@app.command("list")
def list_(home: Home = DEFAULT_HOME) -> None:
    """Names, roles and ages of the keys."""
    from clients.home import NodeHome
    from clients.serving.keys import ApiKeys, key_file

    found = ApiKeys(key_file(NodeHome.existing(home))).all()
    for key in found:
        typer.echo(f"{key.name:30} {key.role:10} {key.created}")
    if not found:
        typer.echo("no key yet: isthmus-node keys add NAME")


@app.command()
def revoke(name: Name, home: Home = DEFAULT_HOME) -> None:
    """Forget a key; a running service refuses it from the next request on."""
    from clients.home import NodeHome
    from clients.serving.keys import ApiKeys, key_file

    ApiKeys(key_file(NodeHome.existing(home))).revoke(name)
    typer.echo(f"{name} is refused from the next request on")
