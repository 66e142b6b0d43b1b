"""`isthmus-node receipts`: what left this node, and a copy of the log for an auditor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from shared.errors import FederationError


class BadReceiptSignatureError(FederationError):
    """A line of the receipt log is not signed by this node."""

    code = "FED-202"
    default_remedy = "keep the file as evidence; somebody or something rewrote it"


def receipts(
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    last: Annotated[int, typer.Option(help="Newest messages to list.", min=0)] = 20,
    export: Annotated[Path | None, typer.Option(help="Write a copy of the whole log.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: all lines.")] = False,
) -> None:
    """List every message that left this node, after checking the chain and each signature."""
    from clients.home import NodeHome
    from clients.identity import load_identity
    from clients.receipts import ReceiptLog, check_signatures

    directory = NodeHome.existing(home)
    log = ReceiptLog(directory.receipts, load_identity(directory.identity))
    entries = log.entries()
    if problem := check_signatures(entries):
        raise BadReceiptSignatureError(problem, where=str(directory.receipts))
    if export is not None:
        typer.echo(f"{log.export(export)} lines written to {export}", err=True)
    sent = [entry for entry in entries if entry["kind"] == "sent"]
    typer.echo(json.dumps(sent, indent=1) if as_json else _table(sent, last))


_TRUST = "Whom an epsilon trusts, `isthmus-node privacy` and `isthmus-node plan` say."


def _table(sent: list[dict[str, Any]], last: int) -> str:
    lines = [_line(entry) for entry in sent[max(0, len(sent) - last) :]]
    total = sum(entry["bytes"] for entry in sent)
    return "\n".join(
        [*lines, f"{len(sent)} messages, {total:,} bytes; chain and signatures hold", _TRUST]
    )


def _line(entry: dict[str, Any]) -> str:
    what = f"refused with {entry['refusal']}" if entry["refusal"] else f"{entry['bytes']:,} bytes"
    cost = "" if entry["epsilon"] is None else f", epsilon so far {entry['epsilon']:.3f}"
    again = ", sent again" if entry["again"] else ""
    place = f"round {entry['round']}.{entry['attempt']} {entry['stage']}"
    return f"{entry['time']}  {place}: {what}{again}{cost}  {entry['sha256'][:16]}"
