"""Faults on the in-process grid: kill points and lost, doubled and late messages.

The nodes are another process at every message (nothing is kept in memory), the coordinator is
started again after each kill. A scenario breaks something once; which round and which node is drawn
from the seed.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from flwr.app import Message

from clients.contribution import Contribution
from clients.counting import Counting
from clients.rounds import NodeRounds
from server.checkpoint import Checkpoints
from server.journal import Journal
from shared.privacy.journal import Journal as LedgerFile
from shared.wire import MASK, RELEASE, SHARE, START, SURVIVORS, UNMASK, Parcel

ROUND_STAGES = (START, SHARE, MASK, SURVIVORS, UNMASK)
FLUSHES = {START: 16, SHARE: 7, MASK: 7, SURVIVORS: 7, UNMASK: 7}
"""How often a node flushes to its disk while it answers, about."""


class Killed(BaseException):
    """The coordinator's process is gone; nothing in it may catch this."""


class NodeKilled(BaseException):
    """A node's process is gone; nothing in it may catch this."""


@dataclass(slots=True)
class Faults:
    """What goes wrong in one run.

    Attributes
    ----------
    request, reply
        Called with every message to a node and every reply; None is a loss.
    around
        Entered around the whole run, for faults inside a process.
    twice
        Every message is delivered a second time; the answers must not differ.
    late
        Every message is delivered again in the middle of the next round.
    order
        Replies overtake each other in an order drawn from it, and copies of a round's earlier
        messages arrive after later ones, in any order.
    """

    request: Callable[[int, Message], Message | None] = lambda _node, message: message
    reply: Callable[[int, Message], Message | None] = lambda _node, message: message
    around: Any = field(default_factory=nullcontext)
    twice: bool = False
    late: bool = False
    order: random.Random | None = None


Make = Callable[[random.Random, int], Faults]
"""From the seed's generator and the number of partners."""


def scenarios() -> dict[str, Make]:
    """All scenarios of training by name; the part before the colon says who or what fails."""
    found = {**_coordinators((*ROUND_STAGES, RELEASE)), **_nodes()}
    for stage in (START, MASK, UNMASK):
        found[f"two nodes: killed before they answer {stage}"] = _lost(stage, 2, after=False)
        found[f"two nodes: killed after they answered {stage}"] = _lost(stage, 2, after=True)
    found["node: killed between training and sending"] = _after(Contribution, "update")
    found["network: every message twice"] = lambda _rng, _n: Faults(twice=True)
    found["network: a message of the round before comes late"] = lambda _rng, _n: Faults(late=True)
    found["network: messages and replies in any order"] = lambda rng, _n: Faults(order=rng)
    return found


def statistics_scenarios() -> dict[str, Make]:
    """All scenarios of statistics: in one of a run's first two steps somebody is killed."""
    found = {**_coordinators(ROUND_STAGES), **_nodes()}
    found["node: killed between counting and sending"] = _after(Counting, "vector")
    found["coordinator: killed as it writes to its disk"] = _coordinator_at_a_write
    for stage in ROUND_STAGES:
        found[f"node: killed as it writes to its disk in {stage}"] = _node_at_a_write(stage)
    return {f"statistics, {name}": make for name, make in found.items()}


def _coordinators(stages: tuple[str, ...]) -> dict[str, Make]:
    found: dict[str, Make] = {}
    for stage in stages:
        found[f"coordinator: killed before a message of {stage}"] = _coordinator(stage, False)
        found[f"coordinator: killed before a reply of {stage} is read"] = _coordinator(stage, True)
    found["coordinator: killed between opening and checkpoint"] = _inside(Checkpoints, "save")
    found["coordinator: killed before a stage is journalled"] = _inside(Journal, "store")
    return found


def _nodes() -> dict[str, Make]:
    found: dict[str, Make] = {}
    for stage in ROUND_STAGES:
        found[f"node: killed before it answers {stage}"] = _lost(stage, 1, after=False)
        found[f"node: killed after it answered {stage}"] = _lost(stage, 1, after=True)
    found["node: disk full while the ledger is written"] = _disk_full
    return found


def _coordinator(stage: str, after: bool) -> Make:
    def make(rng: random.Random, partners: int) -> Faults:
        left = [rng.randint(1, partners if stage == RELEASE else 2 * partners)]

        def hook(_node: int, message: Message) -> Message:
            if _stage(message) == stage:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed
            return message

        return Faults(reply=hook) if after else Faults(request=hook)

    return make


def _inside(owner: type, method: str) -> Make:
    """The coordinator dies as it enters a method."""

    def make(rng: random.Random, _partners: int) -> Faults:
        left = [rng.randint(2, 3)]
        original = getattr(owner, method)

        def entered(self: Any, *arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return original(self, *arguments, **named)

        return Faults(around=patch.object(owner, method, entered))

    return make


def _lost(stage: str, count: int, *, after: bool) -> Make:
    """Some nodes are gone for one stage: before they saw the message, or after they answered."""

    def make(rng: random.Random, partners: int) -> Faults:
        nodes, skip = set(rng.sample(range(1, partners + 1), count)), rng.randint(0, 1)
        seen = dict.fromkeys(nodes, 0)

        def hook(node: int, message: Message) -> Message | None:
            if _stage(message) == stage and node in nodes:
                seen[node] += 1
                if seen[node] == skip + 1:
                    return None
            return message

        return Faults(reply=hook) if after else Faults(request=hook)

    return make


def _after(owner: type, method: str) -> Make:
    """The node keeps and charges what `method` returns, and is gone before it says so."""

    def make(rng: random.Random, partners: int) -> Faults:
        left = [rng.randint(1, 2 * partners)]
        original = getattr(owner, method)

        def returned(self: Any, *arguments: Any) -> Any:
            result = original(self, *arguments)
            left[0] -= 1
            if left[0] == 0:
                raise ConnectionResetError
            return result

        return Faults(around=patch.object(owner, method, returned))

    return make


def _node_at_a_write(stage: str) -> Make:
    """A node dies in the middle of an answer; what it flushed before stays."""

    def make(rng: random.Random, partners: int) -> Faults:
        answers, left = [False], [rng.randint(1, 2 * partners * FLUSHES[stage])]
        original = NodeRounds.answer

        def answer(self: NodeRounds, asked: str, parcel: Parcel) -> Parcel:
            answers[0] = asked == stage
            try:
                return original(self, asked, parcel)
            finally:
                answers[0] = False

        around = ExitStack()
        around.enter_context(patch.object(NodeRounds, "answer", answer))
        around.enter_context(_dying(lambda: answers[0], left, NodeKilled))
        return Faults(around=around)

    return make


def _coordinator_at_a_write(rng: random.Random, _partners: int) -> Faults:
    answers, left = [False], [rng.randint(1, 40)]

    def begins(_node: int, message: Message) -> Message:
        answers[0] = True
        return message

    def ends(_node: int, reply: Message) -> Message:
        answers[0] = False
        return reply

    around = _dying(lambda: not answers[0], left, Killed)
    return Faults(request=begins, reply=ends, around=around)


def _dying(writes: Callable[[], bool], left: list[int], death: type[BaseException]) -> Any:
    """Raise `death` at the first flush to disk after ``left[0] - 1`` others while `writes`."""
    original = os.fsync

    def fsync(handle: int) -> None:
        if writes():
            left[0] -= 1
            if left[0] == 0:
                raise death
        original(handle)

    return patch.object(os, "fsync", fsync)


def _disk_full(rng: random.Random, partners: int) -> Faults:
    left = [rng.randint(1, 2 * partners)]
    original = LedgerFile.append

    def append(self: LedgerFile, *arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        return original(self, *arguments)

    return Faults(around=patch.object(LedgerFile, "append", append))


def _stage(message: Message) -> str:
    return str(message.metadata.message_type)
