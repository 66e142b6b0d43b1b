"""How each of the three commands ends: known errors as a message, never as a traceback."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer
from rich.console import Console

from shared.errors import IsthmusError, PathError

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
        _refuse(PathError((error.strerror or "refused").lower(), where=str(error.filename)))


def _refuse(error: IsthmusError) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(
        str(error), style="red", markup=False, highlight=False
    )
    sys.exit(REFUSED)
