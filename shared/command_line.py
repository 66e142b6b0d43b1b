"""How each of the three commands ends: known errors as a message, never as a traceback."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from shared import __version__
from shared.errors import IsthmusError, PathError, in_words


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isthmus {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=_show_version,
        is_eager=True,
        help="Show the release; all parties of a federation should run the same.",
    ),
]
"""Option of each of the three commands."""

REFUSED = 2
"""Exit code of a command that a known error ended."""


def run_command(app: typer.Typer) -> None:
    """Run a command; known errors end it with their message and `REFUSED`, Ctrl-C with 130.

    A path that the operating system refuses is a known error too: people mistype paths, and disks
    are full. What nobody foresaw keeps its traceback.
    """
    try:
        app()
    except IsthmusError as error:
        _refuse(error)
    except OSError as error:
        if error.filename is None:
            raise
        _refuse(PathError(in_words(error, "refused"), where=str(error.filename)))


def _refuse(error: IsthmusError) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(
        str(error), style="red", markup=False, highlight=False
    )
    sys.exit(REFUSED)
