"""`isthmus-coordinator resume`: let the service go on with a run that failed."""

from __future__ import annotations

from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, Home


def resume(
    run_id: Annotated[str, typer.Argument(help="The run; the current one if left out.")] = "",
    home: Home = DEFAULT_HOME,
) -> None:
    """Go on with a run after its last journalled stage; `start` does so by itself after a crash."""
    from server.home import CoordinatorHome
    from server.run_state import resume as go_on

    state = go_on(CoordinatorHome(home), run_id)
    typer.echo(f"Run {state.run_id} is {state.state}; isthmus-coordinator start works on it.")
