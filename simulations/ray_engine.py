"""Run a prepared federation with `flwr run` on Ray: the same apps, a SuperLink of our own.

The Flower app bundle is two lines that import the installed `server.app` and `clients.app`: no code
of Isthmus is shipped to nodes. SuperLink, CLI and Ray live below a temporary FLWR_HOME, talk on
loopback and call nobody (telemetry, update check and run-time installs are off).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.app import SIMULATION_VARIABLE
from shared.app_bundle import bundle_files
from shared.errors import LabError
from shared.processes import QUIET

START_SECONDS = 60.0
RUN_SECONDS = 24 * 3600.0
CONNECTION = """\
[superlink]
default = "lab"

[superlink.lab]
address = "127.0.0.1:{port}"
insecure = true
"""


class RayEngineError(LabError):
    """Flower's simulation did not start or did not finish."""

    code = "LAB-040"
    default_remedy = "see the log below the run's directory, or use --engine grid"


def run_on_ray(coordinator: Path, nodes: Path, count: int) -> None:
    """Run the plan in `coordinator` with the `count` node directories ``nodes/0``, ``nodes/1``...

    Raises
    ------
    RayEngineError
    """
    log = coordinator / "flower.log"
    with tempfile.TemporaryDirectory(prefix="isthmus-flwr-") as home, log.open("ab") as output:
        port = _free_port()
        environment = {**os.environ, **QUIET, SIMULATION_VARIABLE: "1", "FLWR_HOME": home}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        _write_project(Path(home), port)
        with _superlink(port, environment, output):
            _flwr_run(Path(home) / "app", coordinator, nodes, count, environment, output)


def _write_project(home: Path, port: int) -> None:
    for name, content in bundle_files().items():
        path = home / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (home / "config.toml").write_text(CONNECTION.format(port=port), encoding="utf-8")


@contextmanager
def _superlink(port: int, environment: dict[str, str], output: object) -> Iterator[None]:
    """A SuperLink in simulation mode, in a process group of its own that is ended afterwards."""
    command = ["flower-superlink", "--insecure", "--simulation", "--isolation", "subprocess"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603 (our own arguments)
        command,
        env=environment,
        stdout=output,
        stderr=output,
        start_new_session=True,  # type: ignore[call-overload]
    )
    try:
        _wait_until_healthy(port, process)
        yield
    finally:
        _end_group(process)


def _flwr_run(
    app: Path,
    coordinator: Path,
    nodes: Path,
    count: int,
    environment: dict[str, str],
    output: object,
) -> None:
    federation = f"num-supernodes={count} client-resources-num-cpus=1 client-resources-num-gpus=0.0"
    configuration = f'run-dir="{coordinator.resolve()}" nodes-dir="{nodes.resolve()}"'
    command = ["flwr", "run", str(app), "lab", "--stream"]
    command += ["--federation-config", federation, "--run-config", configuration]
    done = subprocess.run(  # noqa: S603 (our own arguments)
        command,
        env=environment,
        stdout=output,
        stderr=output,
        timeout=RUN_SECONDS,
        check=False,  # type: ignore[call-overload]
    )
    if done.returncode:
        raise RayEngineError(
            f"`flwr run` ended with code {done.returncode}", where=str(coordinator)
        )


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RayEngineError("the SuperLink did not start")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
