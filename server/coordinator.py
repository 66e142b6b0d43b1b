"""A training run from its first round, or its last checkpoint, to its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flwr.serverapp import Grid

from server.articles import read_articles
from server.attempts import Attempts
from server.checkpoint import Checkpoints
from server.exchange import exchange
from server.journal import Journal
from server.rounds import Deadlines, Opened, RoundLostError, RoundReport, RoundRunner
from shared.errors import FederationError, IsthmusError
from shared.initial_weights import read_initial
from shared.keyfile import load_identity
from shared.logs import facts
from shared.optimiser import ServerState
from shared.plan import TrainingPlan
from shared.start import session_policy
from shared.steps import can_begin, first_step, next_state
from shared.tracing import Fact, span
from shared.wire import RELEASE, START, UNMASK, Parcel

MAX_ATTEMPTS = 5
GATHER_POLL_SECONDS = 0.5
NOT_YET = ("FED-031", "FED-210", "FED-214")
"""Codes where people have not pinned a partner or approved the plan, or it is not the hour."""
LONGEST_APPROVAL_POLL = 30.0
"""Seconds; a week of them is 20,000 small messages a node, and people see that their yes counts."""
logger = logging.getLogger(__name__)
Observe = Callable[[RoundReport], None]


class RunFailedError(FederationError):
    """A round failed in every attempt; the run can be resumed from its last checkpoint."""

    code = "FED-044"
    default_remedy = "isthmus-coordinator rounds says who failed; then isthmus-coordinator resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """Seconds to wait for nodes before an attempt at a round."""

    all_seconds: float = 60.0
    """For all of them, when there are enough already."""
    enough_seconds: float = 900.0
    """For as many as a sum needs."""
    approval_seconds: float = 7 * 86400.0
    """For people to approve the plan at their nodes, and for the hours that nodes allow."""
    approval_poll_seconds: float = 10.0
    """Between questions meanwhile; longer the longer it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What the coordinator decides by itself.

    Attributes
    ----------
    directory
        Where checkpoints, the journal and the record of attempts stand.
    identity
        File of the key that signs checkpoints.
    deadlines
        Seconds per stage.
    gathering
        How long to wait for nodes before an attempt.
    """

    directory: Path
    identity: Path
    deadlines: Deadlines = field(default_factory=Deadlines)
    gathering: Gathering = field(default_factory=Gathering)


class Coordinator:
    """Runs one plan to its end.

    Parameters
    ----------
    plan, signature
        The plan and the coordinator's signature over it.
    settings
        The coordinator's own choices.
    observe
        Called after each attempt, failed ones included.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        signature: bytes,
        settings: RunSettings,
        *,
        observe: Observe = lambda _report: None,
    ) -> None:
        self._plan, self._signature, self._settings = plan, signature, settings
        self._observe = observe
        key = load_identity(settings.identity)
        self._checkpoints = Checkpoints(settings.directory / "checkpoints", plan.digest(), key)
        self._attempts = Attempts(settings.directory / "attempts.json")
        self._journal = Journal(settings.directory / "journal")

    def run(self, grid: Grid) -> ServerState:
        """Run the rounds that are left and return the final state.

        Raises
        ------
        RunFailedError, AttemptsExhaustedError
        """
        before = first_step(self._plan) - 1
        number, state = self._checkpoints.newest() or (before, self._beginning())
        if number == before:
            self._checkpoints.save(before, state)
        terms = (self._plan, self._signature, self._settings.deadlines, self._journal)
        runner = RoundRunner(grid, *terms, read_articles(self._settings.directory, self._plan))
        opened = self._reopened(runner, number)
        for current in range(number + 1, self._plan.rounds + 1):
            opened, state = self._step(runner, grid, current, state, opened)
            self._checkpoints.save(current, state)
            self._journal.forget_before(current)
        if opened is not None:
            self._publish(grid, opened)
        return state

    def _step(
        self,
        runner: RoundRunner,
        grid: Grid,
        number: int,
        state: ServerState,
        previous: Opened | None,
    ) -> tuple[Opened | None, ServerState]:
        """A round, or a release of statistics before the first; nothing opened leaves the state."""
        if not can_begin(self._plan, number, state):
            logger.warning("pairs are not counted: the popularity of articles was lost")
            return None, state
        opened = self._round(runner, grid, number, state, previous)
        if opened is None:
            return None, state
        total = opened.aggregate
        return opened, next_state(self._plan, number, state, total.sum(), total.survivors)

    def _beginning(self) -> ServerState:
        weights = read_initial(self._settings.directory / "initial", self._plan)
        return ServerState.start(self._plan, weights)

    def _round(
        self,
        runner: RoundRunner,
        grid: Grid,
        number: int,
        state: ServerState,
        previous: Opened | None,
    ) -> Opened | None:
        """The opened sum of a round; None if it was lost after shares had been revealed."""
        began, attempt = time.monotonic(), self._attempt(grid, number, resuming=True)
        failed = 0
        while True:
            report = RoundReport(number, attempt)
            where: dict[str, Fact] = {"run": self._plan.run_id, "round": number, "attempt": attempt}
            try:
                with span("attempt", **where):
                    opened = runner.attempt(report, state, previous)
                self._observe(report)
                return opened
            except RoundLostError as error:
                logger.error("the round is lost: %s", error, extra=facts(**where, code=error.code))
                self._observe(report)
                return None
            except IsthmusError as error:
                told = facts(**where, code=error.code)
                logger.warning("the attempt failed: %s", error, extra=told)
                if self._not_yet(report, began):
                    self._journal.forget(number, attempt)
                    continue
                self._observe(report)
                failed += 1
                if failed == MAX_ATTEMPTS:
                    raise RunFailedError(
                        f"round {number} failed {failed} times: {error}",
                        where=_told(report),
                    ) from error
            attempt = self._attempt(grid, number, resuming=False)

    def _not_yet(self, report: RoundReport, began: float) -> bool:
        """Whether nodes lack their people's approval, or it is not their hour; then wait a while.

        The same attempt is begun once more: it went no further than its first message, which nodes
        that agreed answer as before, and attempts are few.
        """
        terms, waited = self._settings.gathering, time.monotonic() - began
        codes = report.failures.get(START, {}).values()
        waiting = sum(code in NOT_YET for code in codes)
        if not waiting or set(report.seconds) != {START} or waited > terms.approval_seconds:
            return False
        logger.info("waiting for people or for their hours", extra=facts(nodes=waiting))
        longer = terms.approval_poll_seconds * max(1.0, waited / 40)
        time.sleep(min(LONGEST_APPROVAL_POLL, longer))
        return True

    def _attempt(self, grid: Grid, number: int, *, resuming: bool) -> int:
        """The attempt that an earlier process left unfinished, else the next one."""
        last = self._attempts.last(number)
        if resuming and last is not None and self._journal.begun(number, last):
            return last
        self._gather(grid)
        return self._attempts.begin(number)

    def _gather(self, grid: Grid) -> None:
        """Wait until all partners' nodes are online, or long enough for enough of them."""
        terms, began = self._settings.gathering, time.monotonic()
        partners = len(self._plan.partners)
        least = session_policy(self._plan).survivor_floor
        while True:
            online = len(list(grid.get_node_ids()))
            waited = time.monotonic() - began
            if online >= partners or (online >= least and waited > terms.all_seconds):
                return
            if waited > terms.enough_seconds:
                return  # the attempt fails and says which nodes are missing
            time.sleep(GATHER_POLL_SECONDS)

    def _reopened(self, runner: RoundRunner, number: int) -> Opened | None:
        """The sum of the last finished round again, so that nodes can verify it after a restart."""
        attempt = self._attempts.last(number)
        if attempt is None or self._journal.load(number, attempt, UNMASK) is None:
            return None
        try:
            before = self._checkpoints.load(number - 1)
            return runner.attempt(RoundReport(number, attempt), before, None)
        except IsthmusError as error:
            logger.warning("round %d cannot be published again: %s", number, error)
            return None

    def _publish(self, grid: Grid, opened: Opened) -> None:
        """Give the last sum to the nodes that can verify it."""
        parcel = Parcel(opened.aggregate.message, opened.aggregate.ring_sum)
        parcels = dict.fromkeys(opened.nodes, parcel)
        deadline = self._settings.deadlines.stage
        replies = exchange(grid, RELEASE, parcels, group="release", deadline=deadline)
        for node, code in replies.failures.items():
            logger.warning("a node did not accept the sum", extra=facts(node=node, code=code))


def _told(report: RoundReport) -> str:
    """Who failed where; the views put partners' names in place of Flower's numbers."""
    failures = report.failures.items()
    return "; ".join(f"{stage}: {n} {code}" for stage, by in failures for n, code in by.items())
