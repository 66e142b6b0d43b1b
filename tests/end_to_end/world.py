"""Three film sites over a real network, from their files to lists: what the end-to-end tests test.

They share some films, find them by their lists, count them together, train, and recommend. At first
the coordinator lies about the list; it is killed, and an honest one goes on with the run. Where the
machine permits it, each party has a network namespace of its own, wired to the coordinator's and to
nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clients.budget import ledger_in
from clients.global_model import GlobalModel
from clients.home import NodeHome
from server.app import load_plan
from shared.plan import TrainingPlan
from shared.statistics import StatisticsTerms
from simulations.deployed_data import DeployedData, movielens
from simulations.deployment import Deployment
from simulations.namespaces import HUB_ADDRESS, Machines, machines, permitted

ROUNDS = 3
STEPS = [-1, 0, 1, 2, 3]
"""Popularity, pairs, and the rounds."""
CHARGED = [
    ("popularity", 0),
    ("pairs", 0),
    *(("behaviour+content", number) for number in range(1, ROUNDS + 1)),
]
COUNTED = StatisticsTerms(frequent=30)
"""Few pairs, each with many users, so that some stand out of the noise."""
EPSILON = 6.0
"""What is left of the nodes' 8 is for another run."""
NAMES = ("action", "comedy", "drama")
QUICK = {
    "ISTHMUS_NODE__TRAINING__PERSONALISATION__MAX_STEPS": "20",
    "ISTHMUS_NODE__TRAINING__PERSONALISATION__VALIDATION_USERS": "100",
    "ISTHMUS_NODE__TRAINING__CONTENT__MAX_STEPS": "20",
    "ISTHMUS_NODE__TRAINING__CONTENT__VALIDATION_USERS": "100",
}
"""Training at the nodes, shortened: what is tested is that a release is served, not how well."""


@dataclass
class Served:
    """A node's service, and what its training said."""

    facts: dict[str, Any]
    key: str
    address: str


@dataclass
class Lie:
    """What came of another list of articles: the first report, and each node's charges then."""

    report: dict[str, Any]
    charges: dict[str, list[tuple[str, int]]]


@dataclass
class World:
    deployment: Deployment
    machines: Machines | None
    data: DeployedData
    lie: Lie
    state: dict[str, Any]
    rounds: list[dict[str, Any]]
    served: dict[str, Served]
    seconds: float

    @property
    def plan(self) -> TrainingPlan:
        """The plan of the run."""
        return load_plan(self.deployment.coordinator.run(self.state["run_id"]))[0]

    def kept(self, name: str) -> GlobalModel:
        """What a node knows of the run."""
        plan = self.plan
        return GlobalModel(plan, self.deployment.node(name).run(plan.run_id) / "state.safetensors")

    def charges(self, name: str) -> list[tuple[str, int]]:
        """What a node was charged for in the run."""
        return charges(self.deployment.node(name), self.plan.run_id)


@contextlib.contextmanager
def federation(root: Path) -> Iterator[World]:
    """A federation that has run its plan and is still up."""
    began = time.monotonic()
    data = movielens(root / "files", ROUNDS, content=True, statistics=COUNTED, epsilon=EPSILON)
    with contextlib.ExitStack() as stack:
        apart = stack.enter_context(machines(["coordinator", *NAMES])) if permitted() else None
        host = HUB_ADDRESS if apart else "localhost"
        deployment = Deployment(root, host, apart.places if apart else {})
        stack.callback(deployment.stop)
        deployment.create(data.platforms, by_hand={"drama"})
        plan = data.write_plan(root / "plan.toml")
        deployment.coordinate("start", "--plan", str(plan), "--propose-only")
        lie = _lie(deployment)
        deployment.start("coordinator")
        state = deployment.wait_for_end(600)
        served = {}
        if state["state"] == "finished":
            card = deployment.promote(state["run_id"])
            served = {name: _serve(deployment, name, card) for name in NAMES}
        seconds = time.monotonic() - began
        yield World(deployment, apart, data, lie, state, deployment.rounds(), served, seconds)


def _lie(deployment: Deployment) -> Lie:
    """Start the nodes and a coordinator that lies to them, until they have found it out."""
    liar = ["-m", "tests.end_to_end.lying_coordinator", str(deployment.coordinator.root)]
    deployment.launch("coordinator", sys.executable, *liar)
    for name in NAMES:
        deployment.start(name)
    deployment.approve_plan("drama", 180)
    end = time.monotonic() + 180
    while not (found := deployment.rounds()):
        assert time.monotonic() < end, "no attempt has ended"
        time.sleep(0.5)
    deployment.kill("coordinator")
    run_id = deployment.run_state()["run_id"]
    return Lie(found[0], {name: charges(deployment.node(name), run_id) for name in NAMES})


def charges(node: NodeHome, run_id: str) -> list[tuple[str, int]]:
    """What a node was charged for in a run, in this order."""
    spends = ledger_in(node).spends() if node.ledger.exists() else ()
    own = [spend.release for spend in spends if spend.release.plan == run_id]
    return [(release.model, release.round) for release in own]


def _serve(deployment: Deployment, name: str, card: Path) -> Served:
    """Let a node take the release, train from it and serve, as its people would."""
    with patch.dict(os.environ, QUICK):
        deployment.call(name, "isthmus-node", "releases", "accept", str(card))
        facts = json.loads(deployment.call(name, "isthmus-node", "train", "--json"))
    key = deployment.call(name, "isthmus-node", "keys", "add", "website").strip()
    return Served(facts=facts, key=key, address=deployment.serve(name))
