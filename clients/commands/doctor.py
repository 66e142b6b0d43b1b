"""`isthmus-node doctor`: whether everything is there that this node needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from clients.lifecycle.findings import Finding

SIGNS: Final = {"good": "ok", "skipped": "-", "warning": "WARN", "error": "FAIL"}


def doctor(
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look at clock, disk, keys, sources, models and budget; change nothing.

    Exit code 0: all good; 1: warnings; 2: errors.
    """
    import time
    from dataclasses import asdict

    from clients.home import NodeHome
    from clients.lifecycle.doctor import Doctor
    from clients.lifecycle.findings import exit_code
    from clients.node_config import read_node_config

    directory = NodeHome.existing(home)
    config = read_node_config(directory)
    findings = []
    for finding in Doctor(home=directory, config=config, now=time.time()).examine():
        findings.append(finding)
        if not as_json:
            typer.echo(_line(finding))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    raise typer.Exit(exit_code(findings))


def _line(finding: Finding) -> str:
    sign = SIGNS[finding.severity]
    code = f"[{finding.code}] " if finding.code else ""
    remedy = f"\n{'':5}→ {finding.remedy}" if finding.remedy else ""
    return f"{sign:5}{finding.check}: {code}{finding.text}{remedy}"
