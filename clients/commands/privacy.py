"""`isthmus-node privacy`: what was spent of the budget, what is left, what the numbers mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import ConfigError


class NoLedgerError(ConfigError):
    """The node directory holds no ledger: nothing was ever charged there."""

    code = "CFG-013"
    default_remedy = "nothing was spent: the ledger begins with the first private round"


def privacy(
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    lifetime_epsilon: Annotated[
        float | None,
        typer.Option(help="First change what may be spent over all plans; the ledger records it."),
    ] = None,
) -> None:
    """Show what was spent of the privacy budget, what is left, and what the numbers mean."""
    from clients.budget import change_lifetime, ledger_in
    from clients.home import NodeHome
    from shared.privacy.report import privacy_report

    directory = NodeHome.existing(home)
    if lifetime_epsilon is not None:
        change_lifetime(directory, lifetime_epsilon)
        typer.echo(f"this node may spend epsilon {lifetime_epsilon:g} over all plans", err=True)
    if not directory.ledger.exists():
        raise NoLedgerError("no ledger", where=str(directory.ledger))
    report = privacy_report(ledger_in(directory))
    typer.echo(json.dumps(report.as_json(), indent=1) if as_json else report.as_text())
