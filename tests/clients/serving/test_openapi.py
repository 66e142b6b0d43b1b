"""The service keeps to its OpenAPI document whatever generated requests ask (Schemathesis)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.serving.world import make_node, open_world, served, train

COMMAND = (sys.executable, "-m", "schemathesis.cli", "run")
HOW = (
    "--continue-on-failure",
    "--generation-database=none",
    "--warnings=off",
    "--no-color",
)


def schemathesis(folder: Path, phases: str, examples: int, seed: int) -> str:
    """What Schemathesis says of every operation of a served node; fails where it finds anything."""
    serving = {"requests_per_second": 1e6, "burst": 1_000_000}
    home = make_node(folder, serving=serving)
    train(home)
    world = open_world(home)
    with served(world) as client:
        url = str(client.base_url.join("/openapi.json"))
        header = f"Authorization: {world.header('admin')['Authorization']}"
        many = (f"--phases={phases}", f"--max-examples={examples}", f"--seed={seed}")
        settings = (url, "-H", header, *many)
        run = subprocess.run(
            [*COMMAND, *settings, *HOW], cwd=folder, capture_output=True, text=True, check=False
        )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
    return run.stdout


def test_a_slice_of_generated_requests_finds_nothing(tmp_path: Path) -> None:
    assert "No issues found" in schemathesis(tmp_path, "fuzzing", examples=5, seed=1)


@pytest.mark.slow
def test_many_generated_requests_find_nothing(tmp_path: Path) -> None:
    found = schemathesis(tmp_path, "coverage,fuzzing", examples=300, seed=2)
    assert "No issues found" in found
