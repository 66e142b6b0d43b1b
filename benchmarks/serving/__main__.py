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

from benchmarks.serving.inside import inside
from benchmarks.serving.node import USERS, again, make_node
from benchmarks.serving.offline import cold_apart, fold, index, opened, product, released_parts
from clients.home import NodeHome
from clients.retrieval.index import INDEX_FROM

FULL, SMALL = (12_000, 100_000, 1_000_000), (12_000,)


def main() -> None:
    """Run the grid."""
    parser = argparse.ArgumentParser(prog="benchmarks.serving", description=__doc__)
    parser.add_argument("--small", action="store_true", help="12,000 items alone, a few seconds")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/serving.json"))
    parser.add_argument("--items", type=int, nargs="+", help="these sizes; 12,000 among them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds = 4.0 if options.small else 20.0
    rows: list[dict[str, Any]] = []
    for items in options.items or (SMALL if options.small else FULL):
        with tempfile.TemporaryDirectory() as folder:
            rows += _measured(Path(folder) / "node", items, seconds)
    _write(options.out, rows, _goals(rows))


def _measured(folder: Path, items: int, seconds: float) -> list[dict[str, Any]]:
    home, keys = make_node(folder, items)
    steady = 100.0 if items < INDEX_FROM else 20.0
    rows = [*_offline(home, items), inside(home, keys["serve"])]
    with _server(folder) as (process, port):
        _load(port, keys["serve"], 0, 3.0)  # connections, caches, threads
        for rate in (steady, 0.0):
            what = f"service at {rate:.0f}/s" if rate else "service, all it can"
            before = _cpu_seconds(process.pid)
            found = _load(port, keys["serve"], rate, seconds)
            cpu = 1e3 * (_cpu_seconds(process.pid) - before) / found["requests"]
            load = os.getloadavg()[0]
            rows.append({"what": what, "server_cpu_ms_a_request": cpu, "load": load} | found)
        if items < INDEX_FROM:  # beyond, both models together want more memory than is there
            again(home, "2030-01-02T00:00:00+00:00")
            generator = _begin(port, keys["serve"], steady, seconds)
            time.sleep(1.0)
            process.send_signal(signal.SIGHUP)
            rows.append({"what": f"swap at {steady:.0f}/s"} | _end(generator))
        rows[-1]["server_memory_gb"] = _peak_gb(process.pid)
    for row in rows:
        row["items"] = items
        print(json.dumps(row), file=sys.stderr)
    return rows


def _offline(home: NodeHome, items: int) -> list[dict[str, Any]]:
    """What needs no server; the bundle is let go of before one starts."""
    bundle, histories = opened(home)
    rows = [fold(bundle, histories)]
    if bundle.index is not None:
        rows += [index(bundle, histories), cold_apart(bundle, histories)]
    else:
        rows += released_parts(bundle, histories)
    del bundle
    return [product(items), *rows]


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


def _peak_gb(pid: int) -> float:
    """Most memory that a process had so far."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) / 1e6


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process so far: what load by others does not stretch."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _goals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = {(row["what"], row["items"]): row for row in rows}
    at_100 = found["service at 100/s", 12_000]
    swaps = sum(row["errors"] for row in rows if row["what"].startswith("swap"))
    most = [
        ("12k items at 100/s, p99 ms", at_100["p99_ms"], 15.0),
        ("one event into a state, p50 ms", found["one event into a state", 12_000]["p50_ms"], 2.0),
        ("errors while models are swapped", swaps, 0),
    ]
    rate = found["service, all it can", 12_000]["per_second"]
    least = [("12k items, requests per second", rate, 500.0)]
    if ("index: candidates scored", 1_000_000) in found:
        large = found["service at 20/s", 1_000_000]
        most.append(("1M items at 20/s, p99 ms", large["p99_ms"], 50.0))
        recall = found["index: candidates scored", 1_000_000]["recall"]
        least.append(("1M items, recall@100 of the index", recall, 0.95))
    goals = [{"name": n, "value": v, "goal": g, "met": v <= g} for n, v, g in most]
    return [*goals, *({"name": n, "value": v, "goal": g, "met": v >= g} for n, v, g in least)]


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
