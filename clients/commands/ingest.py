"""`isthmus-node ingest`: the platform's tables into the node's store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clients.data.report import ValidationReport
    from clients.home import NodeHome


def ingest(
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Read, check and clean the sources of node.toml; what is good becomes the node's data.

    The report is shown, and written as JSON and as a page. If too much is wrong the former data
    stay. An interrupted run leaves the former data in use; run it again.
    """
    from rich.console import Console

    from clients.data.errors import RejectedDataError
    from clients.data.node_ingest import NodeIngestion
    from clients.data.report_views import as_renderable
    from clients.data.store import NodeStore
    from clients.home import NodeHome
    from clients.node_config import read_node_config
    from shared.progress import reporter

    directory = NodeHome.existing(home)
    config = read_node_config(directory)
    ingestion = NodeIngestion.of(directory, config.name, config.data)
    failure = None
    with reporter(Console(stderr=True)) as progress:
        try:
            report = ingestion.run(NodeStore(directory), progress)
        except RejectedDataError as error:
            report, failure = error.report, error
    page = _write(directory, report)
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=1))
    else:
        Console().print(as_renderable(report))
        typer.echo(f"report: {page}")
    if failure is not None:
        raise failure


def _write(home: NodeHome, report: ValidationReport) -> Path:
    from clients.data.report_views import as_page
    from shared.files import write_atomically

    page = home.reports / "ingestion.html"
    text = json.dumps(report.as_dict(), indent=1)
    write_atomically(home.reports / "ingestion.json", text.encode(), private=True)
    write_atomically(page, as_page(report).encode(), private=True)
    return page
