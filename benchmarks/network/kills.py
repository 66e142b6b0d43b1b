"""SIGKILL to the processes of a real deployment, one after the other, in every stage of a round.

One run goes on through all of it, its statistics of shared films first: somebody is killed while
the films' popularity is counted, and while their pairs are. Services that are killed are started
again after two seconds, as a service manager would; their children are theirs to look after.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.network.invariants import Invariants
from benchmarks.report import Row
from clients.budget import ledger_in
from clients.network_home import NetworkHome
from server.app import load_plan
from server.releases import checkpoints_of
from shared.files import read_json
from shared.statistics import StatisticsTerms
from shared.wire import MASK, SHARE, START, SURVIVORS, UNMASK
from simulations.deployed_data import movielens
from simulations.deployment import Deployment, DeploymentError

ROUND_STAGES: Final = (START, SHARE, MASK, SURVIVORS, UNMASK)
RESTART_SECONDS: Final = 2.0
WAIT_SECONDS: Final = 420.0
COUNTED: Final = StatisticsTerms(frequent=30)
BEFORE_STATISTICS: Final = -2
"""Number of the step before popularity and pairs (`shared.steps`)."""


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Whom to kill, and in which stage."""

    party: str
    process: str
    stage: str
    counts: bool = False
    """Whether statistics are counted meanwhile, as in a run's first steps; else it is a round."""

    @property
    def name(self) -> str:
        """For the report."""
        step = " of statistics" if self.counts else ""
        return f"process: {self.party}'s {self.process} in {self.stage}{step}"


def kill_points(*, small: bool) -> list[KillPoint]:
    """All points, or one of each kind; those of statistics come first, as statistics do."""
    counting = [
        KillPoint("coordinator", "service", MASK, counts=True),
        KillPoint("node", "service", START, counts=True),
    ]
    points = [
        *(KillPoint("coordinator", "service", stage) for stage in ROUND_STAGES),
        *(KillPoint("node", "service", stage) for stage in ROUND_STAGES),
        *(KillPoint("node", "executor", stage) for stage in ROUND_STAGES),
        *(KillPoint("node", "supernode", stage) for stage in (START, MASK, UNMASK)),
        *(KillPoint("coordinator", "executor", stage) for stage in (SHARE, UNMASK)),
        *(KillPoint("coordinator", "superlink", stage) for stage in (MASK, SURVIVORS)),
    ]
    return counting + ([points[2], points[9], points[12], points[-1]] if small else points)


def kill_processes(*, small: bool, seed: int = 0) -> list[Row]:
    """Kill at every point and report; the last row holds what was checked at the end."""
    points = kill_points(small=small)
    with tempfile.TemporaryDirectory(prefix="isthmus-kills-") as root:
        world = _World(Deployment(Path(root)), random.Random(seed))
        world.begin(rounds=sum(not point.counts for point in points) + 2)
        try:
            with world.watching():
                rows = [_killed(world, point, seed) for point in points]
                state = world.deployment.wait_for_end(WAIT_SECONDS)
            return [*rows, world.final_row(state, seed)]
        finally:
            world.deployment.stop()


@dataclass(slots=True)
class _World:
    """The deployment under fire."""

    deployment: Deployment
    rng: random.Random
    names: tuple[str, ...] = ()
    invariants: Invariants | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def begin(self, rounds: int) -> None:
        data = movielens(self.deployment.root / "files", rounds, statistics=COUNTED)
        self.names = tuple(data.platforms)
        self.deployment.create(data.platforms)
        settings = self.deployment.coordinator.settings
        text = settings.read_text().replace("training = 3600.0", "training = 150.0")
        settings.write_text(text.replace("stage = 300.0", "stage = 90.0"))
        plan = data.write_plan(self.deployment.root / "plan.toml")
        self.deployment.start("coordinator", "--plan", str(plan))
        for name in self.names:
            self.deployment.start(name)
        _until(lambda: self.deployment.run_state()["state"] == "running")
        signed, _ = load_plan(self.directory)
        homes = {p.id: self.deployment.node(p.name) for p in signed.partners}
        self.invariants = Invariants(signed, homes)

    @property
    def directory(self) -> Path:
        """Directory of the run."""
        home = self.deployment.coordinator
        return home.run(self.deployment.run_state()["run_id"])

    def events(self) -> list[dict[str, Any]]:
        """The journal's lines."""
        path = self.directory / "journal" / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def whole_rounds(self) -> int:
        """The newest step that ended with all partners."""
        path = self.directory / "rounds.json"
        reports = read_json(path) if path.exists() else []
        whole = [r["round"] for r in reports if len(r["survivors"]) == len(self.names)]
        return max(whole, default=BEFORE_STATISTICS)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the nodes' updates and ledgers while the run goes on."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join()

    def _watch(self) -> None:
        while not self.stop.wait(0.5):
            for number, name in enumerate(self.names, start=1):
                if self.invariants is not None:
                    self.invariants.look_at_vectors(number)
                    if self.deployment.node(name).ledger.exists():
                        self.invariants.look(number, ledger_in(self.deployment.node(name)))

    def final_row(self, state: dict[str, Any], seed: int) -> Row:
        """What holds at the end of the run."""
        plan, _ = load_plan(self.directory)
        reports = read_json(self.directory / "rounds.json")
        survivors = {r["round"]: tuple(r["survivors"]) for r in reports if r["survivors"]}
        problems = [] if state["state"] == "finished" else [f"the run {state}"]
        if self.invariants is not None and not problems:
            checkpoints = checkpoints_of(self.deployment.coordinator, plan.run_id)
            ledgers = {
                number: ledger_in(self.deployment.node(name))
                for number, name in enumerate(self.names, start=1)
            }
            final = checkpoints.load(plan.rounds)
            self.invariants.check_nodes(final, ledgers, survivors)
            self.invariants.check_sums(checkpoints, survivors)
            problems += self.invariants.problems
        return {
            "what": "process: the run that went on through all kills",
            "seed": seed,
            "attempts": len(reports),
            "lost_rounds": plan.rounds - BEFORE_STATISTICS - len(survivors),
            "violations": problems,
        }


def _killed(world: _World, point: KillPoint, seed: int) -> Row:
    """Kill at one point, wait until a round ends with all partners again."""
    before = world.whole_rounds()
    _until(lambda: _in_stage(world, point.stage, after=before))
    time.sleep(world.rng.uniform(0.0, 2.0))
    party = "coordinator" if point.party == "coordinator" else world.rng.choice(world.names)
    events, rounds = len(world.events()), world.whole_rounds()
    killed_in = world.events()[-1]["round"] if events else BEFORE_STATISTICS + 1
    _kill(world, party, point.process)
    began = time.monotonic()
    _until(lambda: len(world.events()) > events)
    goes_on = time.monotonic() - began
    _until(lambda: world.whole_rounds() > rounds)
    row: Row = {
        "what": point.name,
        "killed": point.party,
        "process": point.process,
        "seed": seed,
        "recovery": goes_on,
        "whole_round_after": time.monotonic() - began,
        "rounds_missed": max(0, world.whole_rounds() - killed_in - 1),
        "lost_rounds": 0,
        "violations": [],
    }
    print(f"{point.name}: goes on after {goes_on:.0f} s", file=sys.stderr)
    return row


def _in_stage(world: _World, stage: str, *, after: int) -> bool:
    """Whether a round beyond `after` is in `stage`: the stage before is the journal's last line."""
    events = world.events()
    if not events:
        return stage == START
    last = events[-1]
    if stage == START:
        return bool(last["stage"].startswith(UNMASK) and last["round"] > after - 1)
    place = ROUND_STAGES.index(stage)
    return bool(last["stage"].startswith(ROUND_STAGES[place - 1]) and last["round"] > after)


def _kill(world: _World, party: str, process: str) -> None:
    deployment = world.deployment
    if process == "service":
        deployment.kill(party)
        time.sleep(RESTART_SECONDS)
        deployment.start(party)
        return
    if party == "coordinator":
        pid = read_json(deployment.coordinator.status)["children"][process]
    else:
        pid = read_json(NetworkHome.of(deployment.node(party)).status)[process]
    os.kill(pid, signal.SIGKILL)


def _until(condition: Any) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise DeploymentError("nothing happened for a long time")
        time.sleep(0.2)
