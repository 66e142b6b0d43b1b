"""`isthmus-node approve`: say yes to a plan, take it back, or let the policy decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import ConfigError

if TYPE_CHECKING:
    from clients.home import NodeHome


class ApprovalOptionsError(ConfigError):
    """Options of `isthmus-node approve` that do not go together."""

    code = "FED-213"
    default_remedy = "give a DIGEST, or one of --by-policy and --by-hand"


def approve(
    digest: Annotated[str, typer.Argument(help="Beginning of the plan's digest.")] = "",
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Answer it no more.")] = False,
    by_policy: Annotated[
        bool, typer.Option("--by-policy", help="From now on approve all that the policy allows.")
    ] = False,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="From now on every plan waits for a person.")
    ] = False,
) -> None:
    """Approve the plan that `isthmus-node plan DIGEST` shows; nothing else makes it run here."""
    from clients.approvals import Approvals
    from clients.home import NodeHome

    directory = NodeHome.existing(home)
    if bool(digest) + by_policy + by_hand != 1 or (withdraw and not digest):
        raise ApprovalOptionsError("there must be exactly one thing to decide")
    if not digest:
        typer.echo(_set_mode(directory, "by-policy" if by_policy else "by-hand"))
        return
    approvals = Approvals(directory.approvals)
    known = approvals.withdraw(digest) if withdraw else approvals.approve(digest)
    state = known.state if withdraw else f"approved, {known.state}"
    typer.echo(f"plan {known.digest[:16]} ({known.plan.purpose}): {state}")


def _set_mode(home: NodeHome, mode: str) -> str:
    from clients.policy import NodePolicy, read_policy, write_policy
    from shared.config import parse

    values = read_policy(home).model_dump(mode="json") | {"approval": mode}
    write_policy(home, parse(NodePolicy, values, where=str(home.policy)))
    return f"plans are now approved {mode.replace('-', ' ')}; a running node does so at once"
