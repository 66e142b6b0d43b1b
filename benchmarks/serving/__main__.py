"""``python -m benchmarks.serving``: writes ``runs/bench/serving.json``, prints the goals.

A real server on loopback, the load generator in a process of its own, catalogues of several sizes.
The baseline of the same run is one matrix product and a top-k for one user, without a service.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.serving.node import USERS, again, make_node, vectors
from clients.data.dataset import Histories
from clients.home import NodeHome
from clients.serving.states import UserStates

FULL, SMALL = (12_000, 100_000), (12_000,)


def main() -> None:
    """Run the grid."""
    parser = argparse.ArgumentParser(prog="benchmarks.serving", description=__doc__)
    parser.add_argument("--small", action="store_true", help="12,000 items alone, a few seconds")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/serving.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds = 4.0 if options.small else 20.0
    rows: list[dict[str, Any]] = []
    for items in SMALL if options.small else FULL:
        with tempfile.TemporaryDirectory() as folder:
            rows += _measured(Path(folder) / "node", items, seconds)
    _write(options.out, rows, _goals(rows))


def _measured(folder: Path, items: int, seconds: float) -> list[dict[str, Any]]:
    home, keys = make_node(folder, items)
    rows: list[dict[str, Any]] = [_product(items), _fold(home)]
    with _server(folder) as (process, port):
        _load(port, keys["serve"], 0, 3.0)  # connections, caches, threads
        for rate in (100.0, 0.0):
            what = f"service at {rate:.0f}/s" if rate else "service, all it can"
            before = _cpu_seconds(process.pid)
            found = _load(port, keys["serve"], rate, seconds)
            cpu = 1e3 * (_cpu_seconds(process.pid) - before) / found["requests"]
            rows.append({"what": what, "server_cpu_ms_a_request": cpu} | found)
        again(home, "2030-01-02T00:00:00+00:00")
        generator = _begin(port, keys["serve"], 100.0, seconds)
        time.sleep(1.0)
        process.send_signal(signal.SIGHUP)
        rows.append({"what": "swap at 100/s"} | _end(generator))
    for row in rows:
        row["items"] = items
        print(json.dumps(row), file=sys.stderr)
    return rows


@contextmanager
def _server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "clients.cli", "serve", "--home", str(folder), "--port", "0"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    lines = process.stdout or iter(())
    line = next(line for line in lines if line.startswith("serving on"))
    try:
        yield process, line.strip().rsplit(":", 1)[1]
    finally:
        process.terminate()
        process.wait()


def _begin(port: str, key: str, rate: float, seconds: float) -> subprocess.Popen[str]:
    module = [sys.executable, "-m", "benchmarks.serving.load", "127.0.0.1"]
    command = [*module, port, key, str(rate), str(seconds), str(USERS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _end(generator: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = generator.communicate()
    return dict(json.loads(output))


def _load(port: str, key: str, rate: float, seconds: float) -> dict[str, Any]:
    return _end(_begin(port, key, rate, seconds))


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process so far: what load by others does not stretch."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _product(items: int, repeats: int = 30) -> dict[str, Any]:
    matrix = torch.from_numpy(vectors(items, 512))
    query = torch.randn(512)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        torch.topk(matrix @ query, 10)
        times.append(time.perf_counter() - began)
    median = 1e3 * sorted(times)[repeats // 2]
    return {"what": "torch matmul and topk, no service", "p50_ms": median}


def _fold(home: NodeHome, repeats: int = 200) -> dict[str, Any]:
    """Milliseconds to fold one event into a state, the disk left out."""
    from clients.bundle import load_bundle
    from clients.bundle_shelf import BundleShelf
    from clients.data.store import NodeStore
    from shared.keyfile import load_identity

    catalogue, histories = NodeStore(home).load()
    signer = load_identity(home.identity).public_key()
    bundle = load_bundle(BundleShelf(home.models).current, signer, catalogue)
    states, times = UserStates(bundle.personal, 1000), []
    for row in range(repeats):
        whole: Histories = histories.take([row])
        states.queries(whole.without_last(1))
        began = time.perf_counter()
        states.advance(whole)
        times.append(time.perf_counter() - began)
    times.sort()
    found = {"p50_ms": 1e3 * times[repeats // 2], "p99_ms": 1e3 * times[int(0.99 * repeats)]}
    return {"what": "one event into a state"} | found


def _goals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def of(what: str) -> dict[str, Any]:
        return next(r for r in rows if r["what"] == what and r["items"] == 12_000)

    swaps = sum(row["errors"] for row in rows if row["what"] == "swap at 100/s")
    most = [
        ("12k items at 100/s, p99 ms", of("service at 100/s")["p99_ms"], 15.0),
        ("one event into a state, p50 ms", of("one event into a state")["p50_ms"], 2.0),
        ("errors while models are swapped at 100/s", swaps, 0),
    ]
    goals = [{"name": n, "value": v, "goal": g, "met": v <= g} for n, v, g in most]
    rate = of("service, all it can")["per_second"]
    name = "12k items, requests per second"
    return [*goals, {"name": name, "value": rate, "goal": 500.0, "met": rate >= 500}]


def _write(path: Path, rows: list[dict[str, Any]], goals: list[dict[str, Any]]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "torch", "fastapi", "uvicorn")},
    }
    report = {"schema": 1, "git": commit, "machine": machine, "rows": rows, "goals": goals}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for goal in goals:
        met = "met" if goal["met"] else "NOT met"
        print(f"{goal['name']:50} {goal['value']:9.3f}  goal {goal['goal']:6}  {met}")


if __name__ == "__main__":
    main()
