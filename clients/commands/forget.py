"""`isthmus-node forget`: erase a user."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def forget(
    user: Annotated[
        str, typer.Argument(help="The platform's own user id; - reads it from standard input.")
    ] = "-",
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Erase a user: out of the store, live data, training files and every later batch.

    Writes a signed receipt. The opt-out list holds the pseudonym only. Arguments can be seen by
    other accounts of the machine and stay in the shell's history: prefer standard input.
    """
    from clients.data.store import NodeStore
    from clients.home import NodeHome
    from clients.lifecycle.erasure import forget as erase

    directory = NodeHome.existing(home)
    store = NodeStore(directory)
    given = sys.stdin.readline().rstrip("\r\n") if user == "-" else user
    receipt, path = erase(directory, store, store.pseudonym(given))
    if as_json:
        typer.echo(json.dumps(receipt | {"file": str(path)}, indent=1))
        return
    removed = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in _counts(receipt))
    typer.echo(f"erased: {removed}; receipt: {path}")
    if not any(count for _, count in _counts(receipt)):
        typer.echo("nothing was stored of this user (any more), who is on the opt-out list")
    typer.echo("models trained before still count this user's events: isthmus-node train --local")


def _counts(receipt: dict[str, object]) -> list[tuple[str, int]]:
    removed = receipt["removed"]
    return list(removed.items()) if isinstance(removed, dict) else []
