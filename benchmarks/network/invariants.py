"""What must hold whatever went wrong: looked at while a run goes on, and checked at its end.

Rounds and the statistics before them are steps alike (`shared.steps`): each has one vector at each
node, one charge, and one opened sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from flwr.app import Message
from safetensors import SafetensorError
from safetensors.numpy import load_file

from benchmarks.network.departures import problem_of
from clients.global_model import GlobalModel
from clients.home import NodeHome
from clients.statistics import kept_file
from server.checkpoint import Checkpoints
from server.rounds import RoundReport
from shared.optimiser import ServerState
from shared.plan import TrainingPlan
from shared.privacy.ledger import Ledger
from shared.privacy.spends import Release
from shared.released_counts import releases_of
from shared.statistics_session import noise_deviation
from shared.steps import first_step, next_state, release_at

TOLERANCE: Final = 1e-4
"""Fixed point: far less than any update, far more than its rounding."""
DEVIATIONS: Final = 7.0
"""Of the noise that secure aggregation adds to a sum."""


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
        self._vectors: dict[int, dict[int, Any]] = defaultdict(dict)
        self._spent: dict[int, float] = defaultdict(float)

    def look(self, node: int, ledger: Ledger) -> None:
        """Keep each vector that was made; epsilon never falls, no step is charged twice."""
        self.look_at_vectors(node)
        spent, cap = ledger.spent(), self._plan.privacy.epsilon if self._plan.privacy else 0.0
        if spent < self._spent[node] or spent > cap:
            self.problems.append(f"node {node}: epsilon {self._spent[node]} became {spent}")
        self._spent[node] = spent
        steps = [self._step(s.release) for s in ledger.spends()]
        if len(steps) != len(set(steps)):
            self.problems.append(f"node {node} charged a step twice: {steps}")

    def look_at_vectors(self, node: int) -> None:
        """Keep each vector that stands on the node's disk; one step has one vector."""
        for step, name, path in self._files(node):
            try:
                vector = load_file(path)[name]
            except (OSError, SafetensorError):
                continue  # deleted in the meantime: it was seen before
            kept = self._vectors[step].setdefault(node, vector)
            if not np.array_equal(kept, vector):
                self.problems.append(f"node {node} made the vector of step {step} twice")

    def look_at_reply(self, node: int, reply: Message, ledger: Ledger) -> None:
        """Nothing but what may leave is in `reply`, and what it costs was charged before."""
        step = int(reply.metadata.group_id.rsplit(".", 1)[0])
        charged = {self._step(s.release) for s in ledger.spends() if s.update}
        vector = self._vectors[step].get(node)
        problem = problem_of(reply, self._plan, step, vector, charged=step in charged)
        if problem:
            self.problems.append(f"node {node}, step {step}: {problem}")

    def check_nodes(
        self,
        final: ServerState,
        ledgers: Mapping[int, Ledger],
        survivors: Mapping[int, tuple[int, ...]],
    ) -> None:
        """Nodes at the last step have the coordinator's model; all that left was charged."""
        for number, home in self._homes.items():
            kept = GlobalModel(self._plan, home.run(self._plan.run_id) / "state.safetensors")
            if kept.round == self._plan.rounds:
                if not np.array_equal(kept.state.flat(), final.flat()):
                    self.problems.append(f"node {number} has another model")
                self._check_forgotten(number)
            charged = {self._step(s.release) for s in ledgers[number].spends() if s.update}
            used = {r for r, members in survivors.items() if number in members}
            if not used <= charged:
                self.problems.append(f"node {number} was not charged for {sorted(used - charged)}")

    def check_sums(
        self, checkpoints: Checkpoints, survivors: Mapping[int, tuple[int, ...]]
    ) -> None:
        """Every opened step is in the state exactly once, every other one not at all."""
        for number in range(first_step(self._plan), self._plan.rounds + 1):
            before, after = checkpoints.load(number - 1), checkpoints.load(number)
            expected = before
            if number in survivors:
                if self._plan.distributed and release_at(self._plan, number) is None:
                    continue  # noise of its own is in the sum, and advancing blows it up
                expected = self._advanced(number, before, survivors[number])
            if _distance(after, expected) > self._tolerance(number, survivors.get(number, ())):
                self.problems.append(f"step {number}: the state is not the sum of its vectors")

    def check_openings(self, reports: Iterable[RoundReport]) -> None:
        """No step is opened for two sets: their difference would be the sum of a few."""
        opened: dict[int, set[Any]] = defaultdict(set)
        for report in reports:
            if report.survivors:
                opened[report.round].add((report.attempt, report.survivors, report.sum))
        for step, sums in opened.items():
            if len(sums) > 1:
                self.problems.append(f"step {step} was opened {len(sums)} times: {sorted(sums)}")

    def _check_forgotten(self, node: int) -> None:
        """Counts without noise of their own are gone once their sums are verified."""
        directory = self._homes[node].run(self._plan.run_id)
        kept = [n for n in releases_of(self._plan) if kept_file(directory, n).exists()]
        if self._plan.distributed and kept:
            self.problems.append(f"node {node} keeps exact counts: {kept}")

    def _files(self, node: int) -> Iterator[tuple[int, str, Path]]:
        """Step, tensor and file of each vector that a node keeps."""
        directory = self._homes[node].run(self._plan.run_id)
        for step in range(first_step(self._plan), self._plan.rounds + 1):
            release = release_at(self._plan, step)
            if release is None:
                yield step, "update", directory / f"update-{step:05d}.safetensors"
            else:
                yield step, "vector", kept_file(directory, release)

    def _step(self, release: Release) -> int:
        names = [*releases_of(self._plan)]
        if release.model in names:
            return first_step(self._plan) + names.index(release.model)
        return release.round

    def _advanced(
        self, number: int, before: ServerState, survivors: tuple[int, ...]
    ) -> ServerState:
        vectors = self._vectors[number]
        weights = {p.id: self._plan.weight(p) for p in self._plan.partners}
        total = np.sum([weights[i] * vectors[i].astype(np.float64) for i in survivors], axis=0)
        return next_state(self._plan, number, before, total, survivors)

    def _tolerance(self, number: int, survivors: tuple[int, ...]) -> float:
        release = release_at(self._plan, number)
        if release is None or not self._plan.distributed or not survivors:
            return TOLERANCE
        return DEVIATIONS * noise_deviation(self._plan, survivors, release)


def _distance(one: ServerState, other: ServerState) -> float:
    return float(np.abs(one.flat() - other.flat()).max())
