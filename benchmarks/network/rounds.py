"""``python -m benchmarks.network.rounds``: time and bytes of a round, by stage, against FedAvg.

Writes ``runs/bench/round.json``. The same processes, TLS connections and executors carry both; the
payload is one vector of the same length. Bytes are those on the nodes' wires where the machine
permits network namespaces (TLS, polling and heartbeats included), else payloads. How a round grows
with nodes and parameters is measured on the in-process grid, all parties on one core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.network.fedavg import ROUNDS, SIZE, TIMES
from benchmarks.report import Row, goal, write_report
from server.app import load_plan
from shared.models.config import BehaviourConfig
from shared.plan import Aggregation, LocalSteps, PrivacyTerms
from simulations.deployed_data import Ring, movielens
from simulations.deployment import Deployment
from simulations.namespaces import HUB_ADDRESS, Machines, machines, permitted

WAIT_SECONDS = 900.0


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="benchmarks.network.rounds", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a small vector and a small grid")
    parser.add_argument("--rounds", type=int, default=4, help="the first one is not counted")
    options = parser.parse_args()
    width = 64 if options.small else 256
    rows: list[Row] = []
    for bits in (32, 16):
        rows.append(_deployed(f"ours, {bits} bits", options.rounds, width, bits))
    rows.append(_deployed("FedAvg", options.rounds, width, 16, rows[0]["parameters"]))
    for row in rows:
        row["compared_with"] = "FedAvg in the same processes, vector of the same length"
    write_report("round", rows, _goals(rows))  # what follows takes long and may be cut off
    for nodes, size in GRID[:2] if options.small else GRID:
        rows.append(_growth(nodes, size))
        write_report("round", rows, _goals(rows))


RANGES = {32: 1.0, 16: 0.5}
"""Fixed-point range by the ring's bits: the small ring is only allowed where its step is fine."""


def _deployed(name: str, rounds: int, width: int, bits: int, fedavg: int = 0) -> Row:
    """A deployment from nothing; medians over its rounds but the first.

    Parameters
    ----------
    rounds, width, bits
        Terms of the plan.
    fedavg
        Length of the vector that Flower's FedAvg carries instead of the plan's rounds; 0 = ours.
    """
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-round-")))
        ring = Ring(bits=bits, update_range=RANGES[bits])
        data = movielens(root / "files", rounds, width=width, steps=1, ring=ring)
        names = list(data.platforms)
        apart = stack.enter_context(machines(["coordinator", *names])) if permitted() else None
        host = HUB_ADDRESS if apart else "localhost"
        deployment = Deployment(root, host, apart.places if apart else {})
        stack.callback(deployment.stop)
        deployment.create(data.platforms)
        plan = data.write_plan(root / "plan.toml")
        deployment.coordinate("start", "--plan", str(plan), "--propose-only")
        _start(deployment, names, rounds, fedavg)
        state = deployment.wait_for_end(WAIT_SECONDS)
        wire = _wire(apart, names)  # from nothing: starting up included, for both
        print(f"{name}: {state['state']} {state['problem']}", file=sys.stderr)
        row = _fedavg_row(deployment, fedavg) if fedavg else _our_row(deployment)
    payload = row["bytes_payload"]
    return {"what": name, "nodes": len(names), **row, "bytes": wire / rounds if apart else payload}


def _start(deployment: Deployment, names: list[str], rounds: int, fedavg: int) -> None:
    if not fedavg:
        deployment.start("coordinator")
        for name in names:
            deployment.start(name)
        return
    variables = [f"{SIZE}={fedavg}", f"{ROUNDS}={rounds}"]
    for party in ("coordinator", *names):
        role = "coordinator" if party == "coordinator" else "node"
        command = ["env", *variables, sys.executable, "-m", "benchmarks.network.fedavg"]
        deployment.launch(party, *command, role, str(deployment.root / party))


def _wire(apart: Machines | None, names: list[str]) -> int:
    """Bytes on all nodes' wires so far, both directions."""
    return sum(sum(apart.wire_bytes(name)) for name in names) if apart else 0


def _our_row(deployment: Deployment) -> Row:
    reports = [r for r in deployment.rounds() if r["survivors"]][1:]
    plan, _ = load_plan(deployment.coordinator.run(deployment.run_state()["run_id"]))
    stages = list(reports[0]["seconds"])
    payload = [sum(r["bytes_up"].values()) + sum(r["bytes_down"].values()) for r in reports]
    return {
        "parameters": plan.parameters,
        "seconds": statistics.median(sum(r["seconds"].values()) for r in reports),
        "seconds_by_stage": {
            s: statistics.median(r["seconds"][s] for r in reports) for s in stages
        },
        "bytes_payload": statistics.median(payload),
    }


def _fedavg_row(deployment: Deployment, parameters: int) -> Row:
    seconds = json.loads((deployment.coordinator.root / TIMES).read_text())[1:]
    nodes = len(deployment.status()["partners"])
    return {
        "parameters": parameters,
        "seconds": statistics.median(seconds),
        "bytes_payload": 2 * nodes * 4 * parameters,
    }


SIZES = {"0.1M": (100, 125), "1M": (100, 450), "8M": (512, 1024)}
"""Widths of the model (item projection, hidden) by its number of parameters."""
GRID = ((3, "0.1M"), (10, "0.1M"), (30, "0.1M"), (3, "1M"), (10, "1M"), (3, "8M"))
"""Nodes and sizes."""


def _growth(nodes: int, size: str) -> Row:
    """The second of two rounds on the in-process grid: everybody together on one core."""
    from tests.federation import MODEL, Federation
    from tests.plans import make_plan

    width, hidden = SIZES[size]
    model: BehaviourConfig = MODEL.model_copy(update={"input_dim": width, "hidden_dim": hidden})
    plan = make_plan(
        users=(64,) * nodes,
        rounds=2,
        model=model,
        privacy=PrivacyTerms(epsilon=8.0),
        local=LocalSteps(steps=1, batch_users=16),
        aggregation=Aggregation(update_range=4.0),
    )
    with tempfile.TemporaryDirectory(prefix="isthmus-growth-") as root:
        federation = Federation(plan, Path(root), patient=True)
        cpu = time.process_time()
        federation.run()
        cpu = time.process_time() - cpu
        report = federation.reports[-1]
    row: Row = {
        "what": "growth on the in-process grid",
        "nodes": nodes,
        "parameters": plan.parameters,
        "seconds": sum(report.seconds.values()),
        "cpu_seconds_a_round": cpu / plan.rounds,
        "seconds_by_stage": report.seconds,
        "bytes_payload": sum(report.bytes_up.values()) + sum(report.bytes_down.values()),
    }
    print(f"{nodes} nodes, {size}: {row['seconds']:.1f} s", file=sys.stderr)
    return row


def _goals(rows: list[Row]) -> list[Row]:
    ours, small, fedavg = rows[:3]
    return [
        goal("times FedAvg's latency, all privacy on", ours["seconds"] / fedavg["seconds"], 4.0),
        goal("times FedAvg's bytes, ring of 16 bits", small["bytes"] / fedavg["bytes"], 0.6),
        goal("times FedAvg's bytes, ring of 32 bits", ours["bytes"] / fedavg["bytes"], 0.6),
    ]


if __name__ == "__main__":
    main()
