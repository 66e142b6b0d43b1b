"""How each of the three commands ends: known errors as a message, never as a traceback."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from shared.errors import IsthmusError

REFUSED = 2
"""Exit code of a command that a known error ended."""


def run_command(app: typer.Typer) -> None:
    """Run a command; known errors end it with their message and `REFUSED`, Ctrl-C with 130."""
    try:
        app()
    except IsthmusError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        sys.exit(REFUSED)
