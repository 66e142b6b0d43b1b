"""`isthmus-node releases`: list global models, take in a card, go back to the one before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shared.release_card import ReleaseCard

app = typer.Typer(help="Global models at this node: list, accept, roll back.")
HOME_HELP = "Directory of the node."


@app.callback(invoke_without_command=True)
def releases(
    context: typer.Context,
    home: Annotated[Path, typer.Option(help=HOME_HELP)] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the releases that this node verified, the one in use marked."""
    if context.invoked_subcommand is not None:
        return
    from clients.home import NodeHome
    from clients.releases import ReleaseShelf

    shelf = ReleaseShelf(NodeHome.existing(home))
    current, found = shelf.current(), shelf.all()
    if as_json:
        rows = [{**r.card.model_dump(mode="json"), "out": r.out} for r in found]
        typer.echo(json.dumps(rows, indent=1))
        return
    for release in found:
        mark = "*" if current and release.name == current.name else " "
        cost = _cost(release.card)
        state = release.out or "may be used"
        typer.echo(f"{mark} {release.name}  {cost}  {release.card.purpose}: {state}")
    typer.echo(f"{len(found)} releases" + ("" if current else ", none in use"))


@app.command()
def accept(
    document: Annotated[Path, typer.Argument(help="Card or withdrawal from the coordinator.")],
    home: Annotated[Path, typer.Option(help=HOME_HELP)] = Path("."),
) -> None:
    """Verify a card against the model that this node computed, and use it; or obey a withdrawal."""
    from clients.home import NodeHome
    from clients.releases import ReleaseShelf

    typer.echo(ReleaseShelf(NodeHome.existing(home)).accept(document))


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    home: Annotated[Path, typer.Option(help=HOME_HELP)] = Path("."),
) -> None:
    """Stop using the current release; the one before it is used again from the next training on."""
    from clients.home import NodeHome
    from clients.releases import ReleaseShelf

    left, now = ReleaseShelf(NodeHome.existing(home)).roll_back(f"rolled back: {reason}")
    typer.echo(f"release {left.name} is out; in use now: {now.name if now else 'none'}")


def _cost(card: ReleaseCard) -> str:
    """Epsilon of a release and whom it trusts."""
    if card.epsilon is None:
        return "no privacy"
    shared = card.noise == "distributed"
    trust = "trusting secure aggregation and the others' noise" if shared else "trusting nobody"
    return f"epsilon {card.epsilon:g} {trust}"
