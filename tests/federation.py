"""A small federation in memory for tests: real nodes, real coordinator, local grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clients.app import make_app
from clients.articles import Hashes
from clients.data.dataset import Histories
from clients.home import NodeHome
from clients.node_data import TrainingData
from clients.policy import NodePolicy
from clients.rounds import Node, NodeRounds
from server.coordinator import Coordinator, Gathering, RunSettings
from server.rounds import Deadlines, RoundReport
from shared.files import write_atomically
from shared.models.config import BehaviourConfig
from shared.optimiser import ServerState
from shared.plan import TrainingPlan
from simulations.grid import Fault, LocalGrid
from tests.plans import KEY, identity, public

MODEL = BehaviourConfig(item_dim=16, adapter_dim=8, input_dim=6, hidden_dim=6, history_length=10)

HASTY = Deadlines(training=0.3, stage=0.3, pause=0.01)
IMPATIENT = Gathering(all_seconds=0.0, enough_seconds=0.0, approval_seconds=0.0)


def training_data(
    seed: int, users: int = 80, items: int = 30, hashes: Hashes | None = None
) -> TrainingData:
    """Random histories of 3 to 8 events."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 9, users)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    total = int(offsets[-1])
    vectors = random.standard_normal((items, MODEL.item_dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    histories = Histories(
        users=tuple(f"user {k}" for k in range(users)),
        offsets=offsets.astype(np.int64),
        items=random.integers(0, items, total).astype(np.int32),
        events=np.zeros(total, dtype=np.int8),
        times=np.arange(total, dtype=np.float64),
        ordinal=True,
    )
    return TrainingData.of(histories, vectors, hashes)


def policy(plan: TrainingPlan, **changes: object) -> NodePolicy:
    """A policy that just allows `plan`."""
    values: dict[str, object] = {
        "coordinator": public(KEY).hex(),
        "partners": {p.name: p.identity for p in plan.partners},
        "encoders": (plan.encoder.name,),
        "max_declared_users": max(p.declared_users for p in plan.partners),
        "max_bands": plan.privacy.bands if plan.privacy else 1,
        "approval": "by-policy",
        "allow_unprotected": plan.privacy is None,
    }
    return NodePolicy.model_validate({**values, **changes})


def node(plan: TrainingPlan, number: int, root: Path, **changes: object) -> Node:
    """Partner `number` of `plan` with random data."""
    return Node(
        home=NodeHome(root / f"node-{number}"),
        identity=identity(number),
        policy=policy(plan, **changes),
        data=training_data(number),
    )


def store_identity(path: Path, key: Ed25519PrivateKey) -> None:
    """Write an identity as a node keeps it."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_atomically(path, pem, private=True)


def readable_by_others(home: NodeHome) -> list[str]:
    """Files of a node that not its owner alone may read."""
    files = [path for path in home.root.rglob("*") if path.is_file()]
    return [str(path.relative_to(home.root)) for path in files if path.stat().st_mode & 0o077]


class Federation:
    """Nodes and a coordinator over a local grid; `forget` restarts all node processes."""

    def __init__(
        self,
        plan: TrainingPlan,
        root: Path,
        *,
        fault: Fault | None = None,
        reply_fault: Fault | None = None,
        fresh: bool = False,
        patient: bool = False,
        hashes: Mapping[int, Hashes] | None = None,
        **changes: object,
    ) -> None:
        self.plan, self.root, self.fresh, self.patient = plan, root, fresh, patient
        self.nodes = {p.id: node(plan, p.id, root, **changes) for p in plan.partners}
        for number, own in (hashes or {}).items():
            data = training_data(number, hashes=own)
            self.nodes[number] = replace(self.nodes[number], data=data)
        self.rounds = {i: NodeRounds(n) for i, n in self.nodes.items()}
        self.reports: list[RoundReport] = []
        app = make_app(lambda context: self._resolve(context.node_id))
        self.grid = LocalGrid(
            app, {i: {} for i in self.nodes}, fault=fault, reply_fault=reply_fault
        )

    def run(self, gathering: Gathering | None = None) -> ServerState:
        """Run the plan to its end."""
        store_identity(self.root / "coordinator" / "identity.pem", KEY)
        settings = RunSettings(
            directory=self.root / "coordinator",
            identity=self.root / "coordinator" / "identity.pem",
            deadlines=Deadlines() if self.patient else HASTY,
            gathering=gathering or IMPATIENT,
        )
        signature = self.plan.sign(KEY)
        coordinator = Coordinator(self.plan, signature, settings, observe=self.reports.append)
        return coordinator.run(self.grid)

    def _resolve(self, number: int) -> NodeRounds:
        """The node's process; with `fresh`, another one for every message."""
        return NodeRounds(self.nodes[number]) if self.fresh else self.rounds[number]
