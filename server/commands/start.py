"""`isthmus-coordinator start`: the service, with a new plan if one is given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.options import DEFAULT_HOME, Home


def start(
    plan: Annotated[Path | None, typer.Option(help="Sign this plan and begin its run.")] = None,
    home: Home = DEFAULT_HOME,
    once: Annotated[bool, typer.Option(help="End with the current run.")] = False,
    propose_only: Annotated[
        bool, typer.Option(help="Only sign the plan; a service that is running takes it up.")
    ] = False,
    replace: Annotated[bool, typer.Option(help="Give up an unfinished run.")] = False,
) -> None:
    """Start the coordinator: SuperLink on loopback, the edge for partners, the current run."""
    from server.home import CoordinatorHome
    from server.run_state import propose, read_current
    from shared.config import read_toml
    from shared.logs import set_up_logs

    directory = CoordinatorHome.existing(home)
    if plan is not None:
        signed = propose(directory, read_toml(plan), replace=replace)
        typer.echo(f"Run {signed.run_id}: {signed.rounds} rounds, {len(signed.partners)} partners.")
    if propose_only:
        return
    from server.service import Service

    set_up_logs()
    Service(directory, once=once).run()
    current = read_current(directory)
    if once and current is not None:
        typer.echo(f"Run {current.run_id}: {current.state}. {current.problem}".rstrip())
        raise typer.Exit(0 if current.state == "finished" else 2)
