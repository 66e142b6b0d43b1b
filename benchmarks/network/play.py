"""Plays one scenario on the in-process grid and checks what must hold whatever went wrong."""

from __future__ import annotations

import copy
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flwr.app import Error, Message
from flwr.common.constant import ErrorCode

from benchmarks.network.faults import Faults, Killed, Make, NodeKilled
from benchmarks.network.invariants import Invariants
from benchmarks.report import Row
from server.checkpoint import Checkpoints
from shared.errors import IsthmusError
from shared.plan import LocalSteps, PrivacyTerms, TrainingPlan
from shared.wire import RELEASE, START, Parcel
from simulations.grid import LocalGrid
from tests.counted import CountedFederation, counted_terms
from tests.federation import MODEL, Federation
from tests.plans import KEY, distributed_plan, make_plan

ROUNDS = 3
MOST_RESTARTS = 6
EPSILON = 4.0
COUNTING_EPSILON = 8.0
COUNTING_NOISE = 3.0
KILLED = "FED-000"
"""In place of what a node would have said."""
Content = tuple[Any, ...]


def play(name: str, make: Make, seed: int, *, statistics: bool = False) -> Row:
    """One run of a scenario; ``violations`` lists what did not hold.

    Parameters
    ----------
    statistics
        Count shared articles and their pairs before one round, with noise of each partner's own or
        with shared noise, in place of three rounds.
    """
    rng = random.Random(f"{name}/{seed}")
    partners = rng.choice((3, 4))
    plan = _counting_plan(partners, rng) if statistics else _training_plan(partners)
    with tempfile.TemporaryDirectory(prefix="isthmus-chaos-") as root:
        player = _Player(make(rng, partners), plan, Path(root))
        began = time.monotonic()
        player.run()
        seconds = time.monotonic() - began
        violations = player.violations()
    return {
        "what": name,
        "seed": seed,
        "partners": partners,
        "noise": plan.privacy.noise if plan.privacy else "none",
        "restarts": player.restarts,
        "attempts": len(player.federation.reports),
        "lost_rounds": player.lost_rounds(),
        "seconds": seconds,
        "violations": violations,
    }


def _training_plan(partners: int) -> TrainingPlan:
    return make_plan(
        users=(64,) * partners,
        rounds=ROUNDS,
        privacy=PrivacyTerms(epsilon=EPSILON),
        model=MODEL,
        local=LocalSteps(steps=1, batch_users=16),
    )


def _counting_plan(partners: int, rng: random.Random) -> TrainingPlan:
    users, terms = (64,) * partners, counted_terms(partners, noise=COUNTING_NOISE)
    if rng.random() < 0.5:
        plan = distributed_plan(users, rounds=ROUNDS - 2, epsilon=COUNTING_EPSILON, model=MODEL)
        return plan.model_copy(update={"statistics": terms})
    return _training_plan(partners).model_copy(
        update={
            "rounds": ROUNDS - 2,
            "privacy": PrivacyTerms(epsilon=COUNTING_EPSILON),
            "statistics": terms,
        }
    )


class _Player:
    def __init__(self, faults: Faults, plan: TrainingPlan, root: Path) -> None:
        self.federation = (CountedFederation if plan.statistics else Federation)(
            plan, root, fault=self._request, reply_fault=faults.reply, fresh=True
        )
        self.restarts = 0
        self._faults = faults
        homes = {i: node.home for i, node in self.federation.nodes.items()}
        self._invariants = Invariants(plan, homes)
        self._earlier: dict[int, list[Message]] = defaultdict(list)
        self._seen: dict[int, list[tuple[Message, Content]]] = defaultdict(list)
        answer = self.federation.grid._answer
        self._answer = answer
        self.federation.grid._answer = self._watched  # type: ignore[method-assign]
        if faults.order is not None:
            shuffle(self.federation.grid, faults.order)

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
        """Steps that ended without a sum."""
        opened = {r.round for r in self.federation.reports if r.survivors}
        return ROUNDS - len(opened)

    def violations(self) -> list[str]:
        """What does not hold at the end."""
        federation = self.federation
        survivors = {r.round: r.survivors for r in federation.reports if r.survivors}
        ledgers = {i: node.ledger() for i, node in federation.nodes.items()}
        checkpoints = federation.root / "coordinator" / "checkpoints"
        self._invariants.check_nodes(self.final, ledgers, survivors)
        self._invariants.check_openings(federation.reports)
        kept = Checkpoints(checkpoints, federation.plan.digest(), KEY)
        self._invariants.check_sums(kept, survivors)
        return self._invariants.problems

    def _request(self, node: int, message: Message) -> Message | None:
        return self._faults.request(node, message)

    def _watched(self, node: int, message: Message) -> Message:
        """Answer, then look at what is on the node's disk."""
        again = copy.deepcopy(message)
        if self._faults.order is not None:
            self._deliver_overtaken(node, message, self._faults.order)
        try:
            reply = self._answer(node, message)
        except NodeKilled:
            reply = Message(Error(ErrorCode.CLIENT_APP_CRASHED, KILLED), reply_to=message)
        self._seen[node].append((again, _content(reply)))
        if self._faults.twice and _content(self._answer(node, again)) != _content(reply):
            self._invariants.problems.append(
                f"{message.metadata.message_type}: two answers to one message"
            )
        if self._faults.late:
            self._deliver_late(node, again)
        ledger = self.federation.nodes[node].ledger()
        self._invariants.look(node, ledger)
        if message.metadata.message_type != RELEASE:
            self._invariants.look_at_reply(node, reply, ledger)
        return reply

    def _deliver_overtaken(self, node: int, message: Message, rng: random.Random) -> None:
        """Earlier messages of the round once more, in any order; none may be answered anew.

        A refusal is an answer that says nothing; it may take the place of what was said before.
        """
        group = message.metadata.group_id
        self._seen[node] = [s for s in self._seen[node] if s[0].metadata.group_id == group]
        for earlier, said in rng.sample(self._seen[node], len(self._seen[node])):
            reply = self._answer(node, copy.deepcopy(earlier))
            if not reply.has_error() and _content(reply) != said:
                stage = earlier.metadata.message_type
                self._invariants.problems.append(f"{stage}: another answer out of order")

    def _deliver_late(self, node: int, message: Message) -> None:
        """Messages of the round before, between this round's first and second."""
        number = message.metadata.group_id.split(".")[0]
        if message.metadata.message_type != START:
            self._earlier[node].append(message)
            return
        for late in self._earlier.pop(node, []):
            if late.metadata.group_id.split(".")[0] != number:
                self._answer(node, late)


def shuffle(grid: LocalGrid, rng: random.Random) -> None:
    """Let the messages of a stage, and their replies, overtake each other."""
    push, pull = grid.push_messages, grid.pull_messages

    def push_shuffled(messages: Iterable[Message]) -> list[str]:
        given = list(messages)
        places = rng.sample(range(len(given)), len(given))
        sent = dict(zip(places, push([given[p] for p in places]), strict=True))
        return [sent[place] for place in range(len(given))]

    def pull_shuffled(message_ids: Iterable[str]) -> list[Message]:
        replies = list(pull(message_ids))
        return rng.sample(replies, len(replies))

    grid.push_messages = push_shuffled  # type: ignore[method-assign]
    grid.pull_messages = pull_shuffled  # type: ignore[method-assign]


def _content(message: Message) -> Content:
    """What a reply says, comparable."""
    if message.has_error():
        return (message.error.code, message.error.reason)
    parcel = Parcel.from_record(message.content)
    return (parcel.body, None if parcel.vector is None else parcel.vector.tobytes())
