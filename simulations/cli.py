"""`isthmus-lab`: run recipes, list them, write reports, compare runs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.command_line import Version, run_command
from simulations.recipe import load_recipe, shipped_recipes

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Federated cross-platform recommendation as an experiment on one machine.",
)

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A shipped recipe, or the path of a TOML file.")
]
Data = Annotated[Path | None, typer.Option(help="Folder with the data; for recipes that read one.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="key=value, any number of times.")]
Seed = Annotated[int, typer.Option(help="Seed of everything that is not privacy.")]
Restart = Annotated[bool, typer.Option("--restart", help="Discard what OUT holds already.")]


class Engine(StrEnum):
    """What carries the messages between the coordinator and the nodes."""

    grid = "grid"
    ray = "ray"


@app.callback()
def lab(version: Version = False) -> None:
    """Federated cross-platform recommendation as an experiment on one machine."""


@app.command()
def run(
    recipe: RecipeName,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Output directory; default runs/RECIPE.")] = None,
    sets: Sets = None,
    engine: Annotated[
        Engine, typer.Option(help="In this process, or `flwr run` on Ray.")
    ] = Engine.grid,
    seed: Seed = 0,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="The recipe's quick settings: less of all, minutes."),
    ] = False,
    restart: Restart = False,
) -> None:
    """Run RECIPE: every system side by side, a table, results.json and report.html.

    An interrupted run continues where it was when the same command is given again.
    """
    from simulations.run import Run

    resolved = load_recipe(recipe, sets or (), quick=quick)
    where = out or Path("runs") / Path(recipe).stem
    work = Run(
        resolved,
        Path(recipe).stem,
        where,
        data=data,
        engine=engine.value,
        seed=seed,
        restart=restart,
    )
    _interruptible(work.execute)


class Attack(StrEnum):
    """One of the attacks."""

    inversion = "inversion"
    membership = "membership"
    promotion = "promotion"


@app.command()
def attack(
    recipe: RecipeName,
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option(help="Output directory; default runs/RECIPE-attacks.")
    ] = None,
    only: Annotated[
        list[Attack] | None, typer.Option(help="One attack, any number of times; default all.")
    ] = None,
    sets: Sets = None,
    seed: Seed = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer trials and items: a minute, wide intervals.")
    ] = False,
    restart: Restart = False,
) -> None:
    """Attack RECIPE's federation: gradient inversion, membership inference, item promotion.

    Writes attacks.json and attacks.html. Interrupted, it continues when called again the same way.
    """
    from simulations.attacks.run import ATTACKS, AttackRun
    from simulations.attacks.terms import QUICK

    overrides = (*(QUICK if quick else ()), *(sets or ()))
    less = quick and bool(load_recipe(recipe).quick)
    work = AttackRun(
        load_recipe(recipe, overrides, quick=less),
        Path(recipe).stem,
        out or Path("runs") / f"{Path(recipe).stem}-attacks",
        data=data,
        seed=seed,
        only=tuple(name for name in ATTACKS if not only or Attack(name) in only),
        restart=restart,
    )
    _interruptible(work.execute)


@app.command()
def pretrain(
    recipe: RecipeName,
    data: Data = None,
    out: Annotated[Path, typer.Option(help="Folder for the weights.")] = Path("initial"),
    sets: Sets = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and samples.")] = 0,
) -> None:
    """Train a start for plans on PUBLIC data, without privacy, and print what a plan says of it.

    The file goes into the folder `initial` of the coordinator and of every node.
    """
    from shared.progress import reporter
    from simulations.pretraining import PublicTraining

    training = PublicTraining(recipe=load_recipe(recipe, sets or ()), data=data, seed=seed)
    with reporter(Console(stderr=True)) as report:
        named = training.run(out, report)
    typer.echo(f'[initial_weights]\nsource = "{named.source}"\ndigest = "{named.digest}"')


@app.command()
def recipes() -> None:
    """List the shipped recipes."""
    table = Table("recipe", "what it does")
    for name, recipe in shipped_recipes().items():
        table.add_row(name, recipe.title)
    Console().print(table)


@app.command()
def report(directory: Annotated[Path, typer.Argument(help="Output directory of a run.")]) -> None:
    """Print the table of a run and write its report.html again."""
    from simulations.reporting import render_table, write_report
    from simulations.results import read_results

    console = Console()
    render_table(read_results(directory), console)
    console.print(f"report: {write_report(directory)}")


@app.command()
def compare(
    directories: Annotated[list[Path], typer.Argument(help="Output directories of runs.")],
) -> None:
    """Show several runs side by side."""
    from simulations.reporting import compare as compare_runs

    compare_runs(directories, Console())


def _interruptible(execute: Callable[[Console], None]) -> None:
    """Run to the end; Ctrl-C and SIGTERM end it, and the processes that it started, alike."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        execute(Console())
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command again continues from here")
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    """Entry point of the command."""
    run_command(app)


if __name__ == "__main__":
    main()
