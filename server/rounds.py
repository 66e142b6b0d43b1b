"""One round, of training or of statistics: the stages of secure aggregation over Flower messages.

The coordinator relays, counts and adds; it never sees an update, only masked vectors and, at the
end, their sum. A node that refuses, fails or stays silent is out of the round; the round goes on
while the policy's threshold is met, else the attempt fails and the next one begins.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flwr.serverapp import Grid

from server.exchange import StageReplies, exchange
from server.journal import Journal
from shared.errors import FederationError, IsthmusError
from shared.logs import facts
from shared.optimiser import ServerState
from shared.plan import TrainingPlan
from shared.release_card import sum_digest
from shared.secagg import (
    Aggregate,
    CollectingAdverts,
    CollectingReveals,
    CollectingShares,
    CollectingSignatures,
    CollectingUploads,
)
from shared.secagg.errors import TooFewSharesError
from shared.secagg.masks import available_threads
from shared.start import Carried, RoundStart
from shared.statistics import Articles
from shared.steps import step_policy, step_session
from shared.tracing import Fact, span
from shared.wire import MASK, SHARE, START, SURVIVORS, UNMASK, Parcel

MODEL_NEEDED = "FED-051"
ARTICLES_NEEDED = "FED-055"
COMPLAINT = b"\x01"
REVEAL_TRIES = 4
"""Requests for shares before a round is given up; nobody can repeat it afterwards."""
Receive = Callable[[int, Parcel], None]
logger = logging.getLogger(__name__)


class UploadFormatError(FederationError):
    """A node's reply to the mask stage is neither an upload nor a complaint."""

    code = "FED-042"


class RoundLostError(FederationError):
    """Shares were revealed but the sum could not be opened; this round can never be repeated."""

    code = "FED-043"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds that a stage may take."""

    training: float = 3600.0
    """The start stage, in which nodes train."""
    stage: float = 300.0
    """Every other stage."""
    pause: float = 10.0
    """Between two requests for shares, so that a node that was killed can come back."""


@dataclass(slots=True)
class RoundReport:
    """What an operator wants to know of a round; public facts only."""

    round: int
    """0 and less are the statistics before the first round (`shared.steps`)."""
    attempt: int
    survivors: tuple[int, ...] = ()
    sum: str = ""
    """Digest of the opened sum (`shared.release_card.sum_digest`)."""
    failures: dict[str, dict[int, str]] = field(default_factory=dict)
    """Stage → Flower node id → error code."""
    seconds: dict[str, float] = field(default_factory=dict)
    bytes_up: dict[str, int] = field(default_factory=dict)
    bytes_down: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The sum of the round before, for the nodes that took part in it."""

    aggregate: Aggregate
    nodes: frozenset[int]
    """Flower node ids of its survivors."""


class RoundRunner:
    """Runs attempts at the rounds of one plan.

    Parameters
    ----------
    grid
        Flower's grid; carries messages.
    plan, signature
        The plan and the coordinator's signature over it.
    deadlines
        Seconds per stage.
    journal
        Where replies are recorded; an attempt that has records there goes on after them.
    articles
        The list of shared articles, for nodes that lack it, where the plan counts some.
    """

    def __init__(
        self,
        grid: Grid,
        plan: TrainingPlan,
        signature: bytes,
        deadlines: Deadlines,
        journal: Journal,
        articles: Articles | None = None,
    ) -> None:
        self._grid, self._plan, self._deadlines = grid, plan, deadlines
        self._journal, self._articles = journal, articles
        self._signature, self._plan_bytes = signature, plan.canonical()
        self._nodes: dict[int, int] = {}

    def attempt(self, report: RoundReport, state: ServerState, previous: Opened | None) -> Opened:
        """One attempt at a round.

        Parameters
        ----------
        report
            Round and attempt; filled in as stages end.
        state
            Server state from which the round trains.
        previous
            The opened sum of the round before, if this process opened it.

        Raises
        ------
        IsthmusError
            Too few partners are left; another attempt may succeed.
        RoundLostError
            Another attempt is impossible.
        """
        shares, roster = self._start(report, state, previous)
        uploads, envelopes = self._share(report, shares, roster)
        signatures, survivor_sets = self._mask(report, uploads, envelopes)
        reveals, evidence = self._sign(report, signatures, survivor_sets)
        return self._unmask(report, reveals, evidence)

    def _start(
        self, report: RoundReport, state: ServerState, previous: Opened | None
    ) -> tuple[CollectingShares, Mapping[int, bytes]]:
        self._policy = step_policy(self._plan, report.round)
        place = step_session(self._plan, report.round, report.attempt, state)
        adverts = CollectingAdverts(self._policy, place)
        self._nodes = {}

        def receive(node: int, parcel: Parcel) -> None:
            partner = int.from_bytes(parcel.body[:2], "little")
            adverts.receive(partner, parcel.body[2:])
            self._nodes[partner] = node

        parcels = {n: self._greeting(report, n, previous) for n in self._grid.get_node_ids()}
        self._stage(report, START, parcels, receive, self._deadlines.training)
        for code, part, carried, vector in (
            (MODEL_NEEDED, "state", Carried.STATE, state.flat()),
            (ARTICLES_NEEDED, "articles", Carried.ARTICLES, self._articles),
        ):
            behind = [n for n, told in report.failures[START].items() if told == code]
            if behind and vector is not None:
                parcels = dict.fromkeys(behind, Parcel(self._head(report, carried), vector))
                self._stage(report, START, parcels, receive, self._deadlines.training, part=part)
        stages, roster = adverts.close()
        return stages[0], roster

    def _greeting(self, report: RoundReport, node: int, previous: Opened | None) -> Parcel:
        """The start message: with last round's sum for those who can verify it, else bare."""
        if previous is None or node not in previous.nodes:
            return Parcel(self._head(report, Carried.NOTHING))
        body = self._head(report, Carried.RING_SUM, previous.aggregate.message)
        return Parcel(body, previous.aggregate.ring_sum)

    def _head(self, report: RoundReport, carried: Carried, release: bytes = b"") -> bytes:
        return RoundStart(
            round=report.round,
            attempt=report.attempt,
            carried=carried,
            signature=self._signature,
            plan=self._plan_bytes,
            release=release,
        ).encode()

    def _share(
        self, report: RoundReport, shares: CollectingShares, roster: Mapping[int, bytes]
    ) -> tuple[CollectingUploads, Mapping[int, bytes]]:
        self._relay(report, SHARE, roster, lambda p, parcel: shares.receive(p, parcel.body))
        return shares.close()

    def _mask(
        self, report: RoundReport, uploads: CollectingUploads, envelopes: Mapping[int, bytes]
    ) -> tuple[CollectingSignatures, Mapping[int, bytes]]:
        def receive(partner: int, parcel: Parcel) -> None:
            if parcel.body[:1] == COMPLAINT:
                uploads.complain(partner, parcel.body[1:])
            elif parcel.vector is None:
                raise UploadFormatError(f"partner {partner} uploaded no vector")
            else:
                uploads.receive(partner, parcel.body[1:], parcel.vector)

        self._relay(report, MASK, envelopes, receive)
        return uploads.close()

    def _sign(
        self,
        report: RoundReport,
        signatures: CollectingSignatures,
        survivor_sets: Mapping[int, bytes],
    ) -> tuple[CollectingReveals, Mapping[int, bytes]]:
        def receive(partner: int, parcel: Parcel) -> None:
            signatures.receive(partner, parcel.body)

        self._relay(report, SURVIVORS, survivor_sets, receive)
        return signatures.close()

    def _unmask(
        self, report: RoundReport, reveals: CollectingReveals, evidence: Mapping[int, bytes]
    ) -> Opened:
        aggregate = self._reveal(report, reveals, evidence)
        report.survivors = aggregate.survivors
        report.sum = sum_digest(self._plan, report.round, aggregate.sum(), aggregate.survivors)
        nodes = frozenset(self._nodes[p] for p in aggregate.survivors)
        return Opened(aggregate=aggregate, nodes=nodes)

    def _reveal(
        self, report: RoundReport, reveals: CollectingReveals, evidence: Mapping[int, bytes]
    ) -> Aggregate:
        """Ask for shares until the sum opens: nodes that were away answer when they are back."""
        problem: IsthmusError | None = None
        for repeat in range(REVEAL_TRIES):
            if repeat and not self._journal.load(report.round, report.attempt, f"{UNMASK}{repeat}"):
                time.sleep(self._deadlines.pause)
            self._relay(
                report,
                UNMASK,
                evidence,
                lambda p, parcel: reveals.receive(p, parcel.body),
                part=str(repeat) if repeat else "",
            )
            try:
                threads = available_threads(self._policy.vector_bytes)
                return reveals.close(threads=threads)[0]
            except TooFewSharesError as error:
                problem = error
            except IsthmusError as error:
                raise RoundLostError(f"the sum cannot be opened: {error}") from error
        raise RoundLostError(f"the sum cannot be opened: {problem}") from problem

    def _relay(
        self,
        report: RoundReport,
        stage: str,
        messages: Mapping[int, bytes],
        receive: Receive,
        *,
        part: str = "",
    ) -> None:
        """Send each partner its message and hand each reply to `receive` under the partner's id."""
        partners = {node: partner for partner, node in self._nodes.items()}
        parcels = {self._nodes[partner]: Parcel(body) for partner, body in messages.items()}
        self._stage(
            report,
            stage,
            parcels,
            lambda node, parcel: receive(partners[node], parcel),
            self._deadlines.stage,
            part=part,
        )

    def _stage(
        self,
        report: RoundReport,
        stage: str,
        parcels: Mapping[int, Parcel],
        receive: Receive,
        deadline: float,
        *,
        part: str = "",
    ) -> None:
        began = time.monotonic()
        where: dict[str, Fact] = {"stage": stage, "round": report.round, "attempt": report.attempt}
        with span("stage", **where) as note:
            replies = self._replies(report, stage, parcels, deadline, part)
            _file(replies, receive)
            counts = {"replies": len(replies.parcels), "failures": len(replies.failures)}
            note(**counts, bytes_up=replies.bytes_up, bytes_down=replies.bytes_down)
        codes = sorted(set(replies.failures.values()))
        logger.info("stage ended", extra=facts(**where, **counts, codes=codes))
        report.failures.setdefault(stage, {}).update(replies.failures)
        for node in replies.parcels:
            report.failures[stage].pop(node, None)
        _add(report.seconds, stage, time.monotonic() - began)
        _add(report.bytes_up, stage, replies.bytes_up)
        _add(report.bytes_down, stage, replies.bytes_down)

    def _replies(
        self,
        report: RoundReport,
        stage: str,
        parcels: Mapping[int, Parcel],
        deadline: float,
        part: str,
    ) -> StageReplies:
        """The recorded replies of an attempt that goes on, else those that nodes send now."""
        number, attempt = report.round, report.attempt
        recorded = self._journal.load(number, attempt, stage + part)
        if recorded is not None:
            return recorded
        group = f"{number}.{attempt}"
        replies = exchange(self._grid, stage, parcels, group=group, deadline=deadline)
        self._journal.store(number, attempt, stage + part, replies)
        return replies


def _file(replies: StageReplies, receive: Receive) -> None:
    """Hand replies over; one that is refused becomes a failure of its node."""
    for node, parcel in list(replies.parcels.items()):
        try:
            receive(node, parcel)
        except IsthmusError as error:
            replies.failures[node] = error.code
            del replies.parcels[node]


def _add(totals: dict[str, Any], key: str, value: float) -> None:
    totals[key] = totals.get(key, 0) + value
