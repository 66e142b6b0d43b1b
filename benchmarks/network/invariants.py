"""What must hold whatever went wrong: looked at while a run goes on, and checked at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from clients.global_model import GlobalModel
from clients.home import NodeHome
from server.checkpoint import Checkpoints
from shared.optimiser import ServerState, advance
from shared.plan import TrainingPlan
from shared.privacy.ledger import Ledger

TOLERANCE = 1e-4
"""Fixed point: far less than any update, far more than its rounding."""


class Invariants:
    """Watches the nodes of one run from outside.

    Parameters
    ----------
    plan
        The run's plan.
    homes
        Partner number → its node's directory.
    """

    def __init__(self, plan: TrainingPlan, homes: Mapping[int, NodeHome]) -> None:
        self.problems: list[str] = []
        self._plan, self._homes = plan, homes
        self._updates: dict[int, dict[int, Any]] = defaultdict(dict)
        self._spent: dict[int, float] = defaultdict(float)

    def look(self, node: int, ledger: Ledger) -> None:
        """Keep each update that was trained; epsilon never falls, no round is charged twice."""
        self.look_at_updates(node)
        spent, cap = ledger.spent(), self._plan.privacy.epsilon if self._plan.privacy else 0.0
        if spent < self._spent[node] or spent > cap:
            self.problems.append(f"node {node}: epsilon {self._spent[node]} became {spent}")
        self._spent[node] = spent
        rounds = [s.release.round for s in ledger.spends()]
        if len(rounds) != len(set(rounds)):
            self.problems.append(f"node {node} charged a round twice: {rounds}")

    def look_at_updates(self, node: int) -> None:
        """Keep each update that stands on the node's disk; one round has one update."""
        for path in self._homes[node].run(self._plan.run_id).glob("update-*.safetensors"):
            number = int(path.stem.split("-")[1])
            try:
                update = load_file(path)["update"]
            except (OSError, SafetensorError):
                continue  # deleted in the meantime: it was seen before
            kept = self._updates[number].setdefault(node, update)
            if not np.array_equal(kept, update):
                self.problems.append(f"node {node} trained round {number} twice")

    def check_nodes(
        self,
        final: ServerState,
        ledgers: Mapping[int, Ledger],
        survivors: Mapping[int, tuple[int, ...]],
    ) -> None:
        """Nodes at the last round have the coordinator's model; all that left was charged."""
        for number, home in self._homes.items():
            kept = GlobalModel(self._plan, home.run(self._plan.run_id) / "state.safetensors")
            if kept.round == self._plan.rounds and not np.array_equal(
                kept.state.flat(), final.flat()
            ):
                self.problems.append(f"node {number} has another model")
            charged = {s.release.round for s in ledgers[number].spends() if s.update}
            used = {r for r, members in survivors.items() if number in members}
            if not used <= charged:
                self.problems.append(f"node {number} was not charged for {sorted(used - charged)}")

    def check_sums(
        self, checkpoints: Checkpoints, survivors: Mapping[int, tuple[int, ...]]
    ) -> None:
        """Every opened round is in the model exactly once, every other one not at all."""
        for number in range(1, self._plan.rounds + 1):
            before, after = checkpoints.load(number - 1), checkpoints.load(number)
            expected = before.model
            if number in survivors:
                expected = self._advanced(number, before, survivors[number])
            if np.abs(after.model - expected).max() > TOLERANCE:
                self.problems.append(f"round {number}: the model is not the sum of its updates")

    def _advanced(self, number: int, before: ServerState, survivors: tuple[int, ...]) -> Any:
        updates = self._updates[number]
        weights = {p.id: self._plan.weight(p) for p in self._plan.partners}
        total = np.sum([weights[i] * updates[i].astype(np.float64) for i in survivors], axis=0)
        return advance(before, total, survivors, self._plan).model
