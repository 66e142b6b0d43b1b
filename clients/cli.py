"""`isthmus-node`: what a platform's engineers call. So far: the privacy budget."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clients.budget import ledger_in
from clients.home import NodeHome
from shared.errors import ConfigError, IsthmusError
from shared.privacy.report import privacy_report

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A platform's node.",
)


class NoLedgerError(ConfigError):
    """The node directory holds no ledger: nothing was ever charged there."""

    code = "CFG-013"


@app.callback()
def node() -> None:
    """A platform's node."""


@app.command()
def privacy(
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what was spent of the privacy budget, what is left, and what the numbers mean."""
    directory = NodeHome(home)
    if not directory.ledger.exists():
        raise NoLedgerError("no ledger", where=str(directory.ledger), remedy="give --home DIR")
    report = privacy_report(ledger_in(directory))
    text = json.dumps(report.as_json(), indent=1) if as_json else report.as_text()
    typer.echo(text)


def main() -> None:
    """Entry point: known errors end with their message and exit code 2."""
    try:
        app()
    except IsthmusError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
