"""`isthmus-coordinator resume`: let the service go on with a run that failed."""

from __future__ import annotations

from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, Home


def resume(
    run_id: Annotated[str, typer.Argument(help="The run; the current one if left out.")] = "",
    home: Home = DEFAULT_HOME,
    sign_checkpoints: Annotated[
        bool,
        typer.Option(help="Only sign checkpoints of an earlier version, which had no signature."),
    ] = False,
) -> None:
    """Go on with a run after its last journalled stage; `start` does so by itself after a crash."""
    from server.home import CoordinatorHome
    from server.releases import checkpoints_of
    from server.run_state import chosen_run
    from server.run_state import resume as go_on

    here = CoordinatorHome.existing(home)
    if sign_checkpoints:
        run_id = chosen_run(here, run_id).run_id
        count = checkpoints_of(here, run_id).sign_unsigned()
        typer.echo(f"{count} checkpoints of run {run_id} are signed now.")
        return
    state = go_on(here, run_id)
    typer.echo(f"Run {state.run_id} is {state.state}; isthmus-coordinator start works on it.")
