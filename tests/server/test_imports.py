"""The coordinator stays light: no torch, no accountant, no data libraries."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "opacus", "dp_accounting", "pandas", "duckdb", "scipy", "sklearn")


def test_the_coordinator_needs_none_of_the_nodes_heavy_libraries() -> None:
    modules = "server.app, server.cli, server.executor, server.service, server.views"
    hide = "".join(f"sys.modules[{name!r}] = None; " for name in HEAVY)
    command = [sys.executable, "-c", f"import sys; {hide}import {modules}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
