"""What most commands of a node begin with: its directory, its configuration, its data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path, typer.Option(help="Directory of the node.")]
DEFAULT_HOME = Path(".")
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
