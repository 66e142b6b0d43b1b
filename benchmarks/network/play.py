"""Plays one scenario on the in-process grid and checks what must hold whatever went wrong."""

from __future__ import annotations

import copy
import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Message
from safetensors.numpy import load_file

from benchmarks.network.faults import Faults, Killed, Make
from benchmarks.report import Row
from clients.global_model import GlobalModel
from server.checkpoint import Checkpoints
from shared.errors import IsthmusError
from shared.optimiser import ServerState, advance
from shared.plan import LocalSteps, PrivacyTerms
from shared.wire import START, Parcel
from tests.federation import MODEL, Federation
from tests.plans import make_plan

ROUNDS = 3
MOST_RESTARTS = 6
EPSILON = 4.0
TOLERANCE = 1e-4
"""Fixed point: far less than any update, far more than its rounding."""


def play(name: str, make: Make, seed: int) -> Row:
    """One run of a scenario; ``violations`` lists what did not hold."""
    rng = random.Random(f"{name}/{seed}")
    partners = rng.choice((3, 4))
    with tempfile.TemporaryDirectory(prefix="isthmus-chaos-") as root:
        player = _Player(make(rng, partners), partners, Path(root))
        began = time.monotonic()
        player.run()
        seconds = time.monotonic() - began
        violations = player.violations()
    return {
        "what": name,
        "seed": seed,
        "partners": partners,
        "restarts": player.restarts,
        "attempts": len(player.federation.reports),
        "lost_rounds": player.lost_rounds(),
        "seconds": seconds,
        "violations": violations,
    }


class _Player:
    def __init__(self, faults: Faults, partners: int, root: Path) -> None:
        plan = make_plan(
            users=(64,) * partners,
            rounds=ROUNDS,
            privacy=PrivacyTerms(epsilon=EPSILON),
            model=MODEL,
            local=LocalSteps(steps=1, batch_users=16),
        )
        self.federation = Federation(
            plan, root, fault=self._request, reply_fault=faults.reply, fresh=True
        )
        self.restarts = 0
        self._faults = faults
        self._problems: list[str] = []
        self._updates: dict[int, dict[int, Any]] = defaultdict(dict)
        self._spent: dict[int, float] = defaultdict(float)
        self._earlier: dict[int, list[Message]] = defaultdict(list)
        answer = self.federation.grid._answer
        self._answer = answer
        self.federation.grid._answer = self._watched  # type: ignore[method-assign]

    def run(self) -> None:
        """Run the plan to its end, starting the coordinator again as often as it is killed."""
        with self._faults.around:
            while True:
                try:
                    self.final = self.federation.run()
                    return
                except (Killed, IsthmusError) as error:
                    self.restarts += 1
                    if self.restarts > MOST_RESTARTS:
                        raise RuntimeError("the run does not end") from error

    def lost_rounds(self) -> int:
        """Rounds that ended without a sum."""
        opened = {r.round for r in self.federation.reports if r.survivors}
        return ROUNDS - len(opened)

    def violations(self) -> list[str]:
        """What does not hold at the end."""
        self._check_nodes()
        self._check_sums()
        return self._problems

    def _request(self, node: int, message: Message) -> Message | None:
        return self._faults.request(node, message)

    def _watched(self, node: int, message: Message) -> Message:
        """Answer, then look at what is on the node's disk."""
        again = copy.deepcopy(message)
        reply = self._answer(node, message)
        if self._faults.twice and _content(self._answer(node, again)) != _content(reply):
            self._problems.append(f"{message.metadata.message_type}: two answers to one message")
        if self._faults.late:
            self._deliver_late(node, again)
        self._look(node)
        return reply

    def _deliver_late(self, node: int, message: Message) -> None:
        """Messages of the round before, between this round's first and second."""
        number = message.metadata.group_id.split(".")[0]
        if message.metadata.message_type != START:
            self._earlier[node].append(message)
            return
        for late in self._earlier.pop(node, []):
            if late.metadata.group_id.split(".")[0] != number:
                self._answer(node, late)

    def _look(self, node: int) -> None:
        """Keep each update that was trained; epsilon never falls, no round is charged twice."""
        home = self.federation.nodes[node].home
        for path in home.run(self.federation.plan.run_id).glob("update-*.safetensors"):
            number, update = int(path.stem.split("-")[1]), load_file(path)["update"]
            kept = self._updates[number].setdefault(node, update)
            if not np.array_equal(kept, update):
                self._problems.append(f"node {node} trained round {number} twice")
        ledger = self.federation.nodes[node].ledger()
        spent = ledger.spent()
        if spent < self._spent[node] or spent > EPSILON:
            self._problems.append(f"node {node}: epsilon {self._spent[node]} became {spent}")
        self._spent[node] = spent
        rounds = [s.release.round for s in ledger.spends()]
        if len(rounds) != len(set(rounds)):
            self._problems.append(f"node {node} charged a round twice: {rounds}")

    def _check_nodes(self) -> None:
        """Nodes at the last round have the coordinator's model; all that left was charged."""
        for number, node in self.federation.nodes.items():
            plan = self.federation.plan
            kept = GlobalModel(plan, node.home.run(plan.run_id) / "state.safetensors")
            same = np.array_equal(kept.state.flat(), self.final.flat())
            if kept.round == ROUNDS and not same:
                self._problems.append(f"node {number} has another model")
            charged = {s.release.round for s in node.ledger().spends() if s.update}
            used = {r.round for r in self.federation.reports if number in r.survivors}
            if not used <= charged:
                self._problems.append(f"node {number} was not charged for {used - charged}")

    def _check_sums(self) -> None:
        """Every opened round is in the model exactly once, every other one not at all."""
        plan = self.federation.plan
        stored = Checkpoints(self.federation.root / "coordinator" / "checkpoints", plan.digest())
        survivors = {r.round: r.survivors for r in self.federation.reports if r.survivors}
        for number in range(1, ROUNDS + 1):
            before, after = stored.load(number - 1), stored.load(number)
            expected = before.model
            if number in survivors:
                expected = self._advanced(number, before, survivors[number])
            if np.abs(after.model - expected).max() > TOLERANCE:
                self._problems.append(f"round {number}: the model is not the sum of its updates")

    def _advanced(self, number: int, before: ServerState, survivors: tuple[int, ...]) -> Any:
        plan = self.federation.plan
        updates = self._updates[number]
        weights = {p.id: plan.weight(p) for p in plan.partners}
        total = np.sum([weights[i] * updates[i].astype(np.float64) for i in survivors], axis=0)
        return advance(before, total, survivors, plan).model


def _content(message: Message) -> tuple[Any, ...]:
    """What a reply says, comparable."""
    if message.has_error():
        return (message.error.code, message.error.reason)
    parcel = Parcel.from_record(message.content)
    return (parcel.body, None if parcel.vector is None else parcel.vector.tobytes())
