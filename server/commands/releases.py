"""`isthmus-coordinator releases`: list global models, promote one, withdraw one."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, AsJson, Home
from server.commands.tables import show_table

app = typer.Typer(help="List the global model of every run; promote or withdraw one.")
Run = Annotated[str, typer.Argument(help="Id of the run.")]


@app.callback(invoke_without_command=True)
def releases(context: typer.Context, home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """List the global model of every run, and whether partners are told to serve it."""
    if context.invoked_subcommand is not None:
        return
    from server.home import CoordinatorHome
    from server.views import releases_view

    found = releases_view(CoordinatorHome.existing(home))
    typer.echo(json.dumps(found, indent=1)) if as_json else show_table(found, "no release yet")


@app.command()
def promote(run_id: Run, home: Home = DEFAULT_HOME) -> None:
    """Sign the card of a finished run; hand the file to every partner."""
    from server.home import CoordinatorHome
    from server.releases import promote as sign

    card, path = sign(CoordinatorHome.existing(home), run_id)
    typer.echo(f"Model {card.model[:16]} is released: {path}")
    typer.echo(f"Partners call: isthmus-node releases accept {path.name}")


@app.command()
def withdraw(
    run_id: Run,
    reason: Annotated[str, typer.Option(help="Why, for the people who serve it.")],
    home: Home = DEFAULT_HOME,
) -> None:
    """Take a released model back; hand the file to every partner."""
    from server.home import CoordinatorHome
    from server.releases import withdraw as sign

    notice, path = sign(CoordinatorHome.existing(home), run_id, reason)
    typer.echo(f"Model {notice.model[:16]} is withdrawn: {path}")
    typer.echo(f"Partners call: isthmus-node releases accept {path.name}")
