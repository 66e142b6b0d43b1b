"""What `deploy/` holds is well formed, hardened, and speaks of metrics that exist."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
METRIC = re.compile(r"isthmus_[a-z_]+")


def _unit(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text())
    return unit


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_units_come_back_after_the_delay_that_flower_needs(path: Path) -> None:
    service = _unit(path)["Service"]
    assert service["Restart"] == "always"
    assert int(service["RestartSec"]) >= 15
    assert service["KillSignal"] == "SIGTERM"


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_units_run_without_privileges(path: Path) -> None:
    service = _unit(path)["Service"]
    assert service["User"] != "root"
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")
    assert service["UMask"] == "0077"
    assert service["CapabilityBoundingSet"] == ""


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_units_call_commands_that_exist(path: Path) -> None:
    from typer.main import get_command

    from clients.cli import app as node
    from server.cli import app as coordinator

    program, command, *_ = _unit(path)["Service"]["ExecStart"].rsplit("/bin/")[1].split()
    app = {"isthmus-node": node, "isthmus-coordinator": coordinator}[program]
    assert command in get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_systemd_accepts_the_units(path: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    # The programs are not installed where the unit expects them.
    text = re.sub(r"^ExecStart=.*", "ExecStart=/bin/true", path.read_text(), flags=re.M)
    copy = tmp_path / path.name
    copy.write_text(text)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--generators=no", str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    problems = [line for line in result.stderr.splitlines() if path.name in line]
    assert problems == []


def test_containers_are_read_only_without_capabilities_and_publish_the_edge_alone() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["restart"] == "unless-stopped"
    assert {name for name, s in services.items() if "ports" in s} == {"coordinator"}


def test_images_run_as_nobody_in_particular_and_call_nobody() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert re.search(r"^USER 10001$", text, flags=re.M)
    for switch in ("FLWR_TELEMETRY_ENABLED=0", "FLWR_DISABLE_UPDATE_CHECK=1"):
        assert switch in text


def _known_metrics() -> set[str]:
    files = ("server/metrics.py", "clients/metrics.py", "clients/serving/http/metrics.py")
    sources = [ROOT / file for file in files]
    names = {name for path in sources for name in METRIC.findall(path.read_text())}
    return names | {f"{name}_total" for name in names}


@pytest.mark.parametrize("page", ["deploy/grafana/isthmus.json", "docs/operations.md"])
def test_dashboard_and_manual_name_metrics_that_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    named = {name.rstrip("_") for name in METRIC.findall(text)} - {"isthmus_key"}
    assert named
    assert named <= _known_metrics()


def test_the_dashboard_is_a_dashboard() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "isthmus.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) >= 10
    assert all(panel["targets"] for panel in dashboard["panels"])
