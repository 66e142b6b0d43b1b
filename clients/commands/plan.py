"""`isthmus-node plan`: the plans that reached this node, in plain words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def plan(
    digest: Annotated[str, typer.Argument(help="Beginning of a plan's digest; none: all.")] = "",
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List plans, or show one: purpose, cost, what is sent, what differs from the last one."""
    from clients.approvals import Approvals
    from clients.home import NodeHome

    directory = NodeHome.existing(home)
    approvals = Approvals(directory.approvals)
    chosen = [approvals.find(digest)] if digest else list(approvals.known())
    if as_json:
        states = [
            {
                "digest": known.digest,
                "state": known.state,
                "since": known.since,
                "plan": known.plan.model_dump(mode="json"),
            }
            for known in chosen
        ]
        typer.echo(json.dumps(states, indent=1))
    elif digest:
        typer.echo(_whole(directory.root, digest))
    else:
        for known in chosen:
            line = f"{known.digest[:16]}  {known.state:<10} {known.since}  {known.plan.purpose}"
            typer.echo(line)
        typer.echo(f"{len(chosen)} plans")


def _whole(root: Path, digest: str) -> str:
    from clients.approvals import Approvals
    from clients.budget import ledger_in
    from clients.home import NodeHome
    from clients.identity import load_identity, public_bytes
    from clients.plan_view import describe, difference
    from clients.policy import read_policy

    home = NodeHome(root)
    approvals = Approvals(home.approvals)
    known = approvals.find(digest)
    identity = public_bytes(load_identity(home.identity))
    spent = ledger_in(home).spent() if home.ledger.exists() else 0.0
    lifetime = read_policy(home).lifetime_epsilon
    text = describe(known.plan, known.plan.partner(identity), spent, lifetime)
    lines = [text, f"  state        {known.state} since {known.since}"]
    if last := approvals.last_approved(other_than=known.digest):
        lines.append(f"  compared with plan {last.digest[:16]}, approved {last.since}:")
        lines += [f"    {line}" for line in difference(last.plan, known.plan)]
    return "\n".join(lines)
