"""A training run from its first round, or its last checkpoint, to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flwr.serverapp import Grid

from server.attempts import Attempts
from server.checkpoint import Checkpoints
from server.exchange import exchange
from server.rounds import Deadlines, Opened, RoundLostError, RoundReport, RoundRunner
from shared.errors import FederationError, IsthmusError
from shared.optimiser import ServerState, advance
from shared.plan import TrainingPlan
from shared.wire import RELEASE, Parcel

MAX_ATTEMPTS = 3
logger = logging.getLogger(__name__)
Observe = Callable[[RoundReport], None]


class RunFailedError(FederationError):
    """A round failed in every attempt; the run can be resumed from its last checkpoint."""

    code = "FED-044"
    default_remedy = "see which nodes failed and why, then start the run again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What the coordinator decides by itself.

    Attributes
    ----------
    directory
        Where checkpoints and the record of attempts stand.
    deadlines
        Seconds per stage.
    """

    directory: Path
    deadlines: Deadlines = field(default_factory=Deadlines)


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
        self._checkpoints = Checkpoints(settings.directory / "checkpoints", plan.digest())
        self._attempts = Attempts(settings.directory / "attempts.json")

    def run(self, grid: Grid) -> ServerState:
        """Run the rounds that are left and return the final state.

        Raises
        ------
        RunFailedError
        """
        number, state = self._checkpoints.newest() or (0, ServerState.start(self._plan))
        if number == 0:
            self._checkpoints.save(0, state)
        runner = RoundRunner(grid, self._plan, self._signature, self._settings.deadlines)
        opened: Opened | None = None
        for current in range(number + 1, self._plan.rounds + 1):
            opened = self._round(runner, current, state, opened)
            if opened is not None:
                total = opened.aggregate
                state = advance(state, total.sum(), total.survivors, self._plan)
            self._checkpoints.save(current, state)
        if opened is not None:
            self._publish(grid, opened)
        return state

    def _round(
        self, runner: RoundRunner, number: int, state: ServerState, previous: Opened | None
    ) -> Opened | None:
        """The opened sum of a round; None if it was lost after shares had been revealed."""
        problem: IsthmusError | None = None
        for _ in range(MAX_ATTEMPTS):
            report = RoundReport(number, self._attempts.begin(number))
            try:
                opened = runner.attempt(report, state, previous)
            except RoundLostError as error:
                logger.error("round %d is lost: %s", number, error)
                self._observe(report)
                return None
            except IsthmusError as error:
                logger.warning("attempt %d at round %d: %s", report.attempt, number, error)
                problem = error
                self._observe(report)
                continue
            self._observe(report)
            return opened
        raise RunFailedError(
            f"round {number} failed {MAX_ATTEMPTS} times: {problem}", where=f"{report.failures}"
        ) from problem

    def _publish(self, grid: Grid, opened: Opened) -> None:
        """Give the last sum to the nodes that can verify it."""
        parcel = Parcel(opened.aggregate.message, opened.aggregate.ring_sum)
        parcels = dict.fromkeys(opened.nodes, parcel)
        deadline = self._settings.deadlines.stage
        replies = exchange(grid, RELEASE, parcels, group="release", deadline=deadline)
        for node, code in replies.failures.items():
            logger.warning("node %d did not accept the release: %s", node, code)
