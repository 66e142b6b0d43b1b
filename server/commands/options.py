"""Options that all commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path, typer.Option(envvar="ISTHMUS_COORDINATOR_HOME", help="Directory of the coordinator.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
DEFAULT_HOME = Path("coordinator")
