"""`isthmus-coordinator status` and `rounds`: what there is."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from server.commands.options import DEFAULT_HOME, AsJson, Home
from server.commands.tables import show_table


def status(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Show the service, who is online, and the current run."""
    from server.home import CoordinatorHome
    from server.views import status_view

    view = status_view(CoordinatorHome.existing(home))
    if as_json:
        typer.echo(json.dumps(view, indent=1))
        return
    state = f"running, pid {view['pid']}" if view["running"] else "not running"
    typer.echo(f"Federation {view['federation']!r} at {view['address']}: {state}")
    show_table(view["partners"], "no partner was admitted yet")
    run = view["run"]
    if run:
        typer.echo(f"Run {run['run_id']}: {run['state']}, round {run['round']} of {run['rounds']}")
        typer.echo(run["problem"], nl=bool(run["problem"]))


def rounds(
    run_id: Annotated[str, typer.Argument(help="The run; the current one if left out.")] = "",
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Show every attempt at every round: who took part, how long it took, what was sent."""
    from server.home import CoordinatorHome
    from server.views import node_names, rounds_view

    directory = CoordinatorHome.existing(home)
    reports = rounds_view(directory, run_id)
    if as_json:
        typer.echo(json.dumps(reports, indent=1))
        return
    names = node_names(directory)
    show_table([_row(r, names) for r in reports], "no round has been attempted yet")


def _row(report: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    failed = {
        (names.get(n, n), code) for by in report["failures"].values() for n, code in by.items()
    }
    return {
        "round": report["round"],
        "attempt": report["attempt"],
        "survivors": len(report["survivors"]),
        "seconds": round(sum(report["seconds"].values()), 1),
        "bytes up": sum(report["bytes_up"].values()),
        "bytes down": sum(report["bytes_down"].values()),
        "failures": ", ".join(f"{name} {code}" for name, code in sorted(failed)),
    }
