"""`isthmus-coordinator start`: keeps the network up and the current run going.

Operator commands talk to the service through files in the coordinator's directory, which only its
owner can enter: there is no administrative port to guard.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from server.home import CoordinatorHome
from server.link_client import LinkError
from server.metrics import serve_metrics
from server.network import CoordinatorNetwork
from server.run_state import RunState, read_current, write_state
from server.settings import read_settings
from shared.errors import FederationError
from shared.files import write_json
from shared.logs import facts

TICK_SECONDS = 0.5
NODES_EVERY_SECONDS = 3.0
logger = logging.getLogger(__name__)


class AlreadyRunningError(FederationError):
    """Another service works in this directory."""

    code = "FED-114"
    default_remedy = "stop it first; isthmus-coordinator status shows its process id"


class Service:
    """The service of one coordinator.

    Parameters
    ----------
    home
        The coordinator.
    once
        End when the current run has finished or failed.
    network
        Its processes; the usual ones if not given.
    """

    def __init__(
        self,
        home: CoordinatorHome,
        *,
        once: bool = False,
        network: CoordinatorNetwork | None = None,
    ) -> None:
        self._home, self._once = home, once
        self._network = network or CoordinatorNetwork(home)
        self._stopping = threading.Event()
        self._carried: tuple[str, int] | None = None
        """Run and start of the executor that carries it, if this service started it."""
        self._partners_seen: int | None = None
        self._nodes_at = 0.0

    def run(self) -> None:
        """Work until a signal arrives, or the current run is over.

        Raises
        ------
        AlreadyRunningError, LinkStartError
        """
        with _alone(self._home):
            for sign in (signal.SIGTERM, signal.SIGINT):
                signal.signal(sign, self._on_signal)
            try:
                self._network.start()
                self._show_metrics()
                logger.info("ready: partners reach the edge, the SuperLink is on loopback")
                while not self._stopping.is_set() and not self._over():
                    self._tick()
                    self._stopping.wait(TICK_SECONDS)
            finally:
                self._network.stop()
                self._home.status.unlink(missing_ok=True)

    def _show_metrics(self) -> None:
        port = read_settings(self._home).metrics.port
        if not port:
            return
        try:
            serve_metrics(self._home, port)
        except OSError as error:  # monitoring is no reason not to work
            logger.warning("no metrics on 127.0.0.1:%d: %s", port, error.strerror)

    def _tick(self) -> None:
        self._network.check()
        try:
            self._admit()
            self._carry()
            self._say()
        except LinkError as error:  # it is being started again
            logger.warning("%s", error)

    def _admit(self) -> None:
        """Follow changes of the register of partners."""
        path = self._home.partners
        seen = path.stat().st_mtime_ns if path.exists() else 0
        if seen != self._partners_seen:
            self._network.admit()
            self._partners_seen = seen

    def _carry(self) -> None:
        """Start the Flower run of the current plan, again after a restart of the executor."""
        current = read_current(self._home)
        if current is None or current.state in ("finished", "failed"):
            return
        if current.state == "running" and self._carried == self._executor_of(current):
            return
        self._network.client.stop_runs([current.flower_run] if current.flower_run else [])
        number = self._network.client.start_run()
        state = current.model_copy(update={"state": "running", "flower_run": number})
        write_state(self._home, state)
        self._carried = self._executor_of(state)
        logger.info("the run goes on", extra=facts(run=state.run_id, flower_run=number))

    def _executor_of(self, state: RunState) -> tuple[str, int]:
        return state.run_id, self._network.executor_starts

    def _say(self) -> None:
        """Tell `isthmus-coordinator status` who is there."""
        if time.monotonic() - self._nodes_at < NODES_EVERY_SECONDS:
            return
        self._nodes_at = time.monotonic()
        nodes = self._network.client.nodes()
        status = {
            "pid": os.getpid(),
            "time": time.time(),
            "children": self._network.pids,
            "online": sorted({n.name for n in nodes if n.online}),
            "nodes": {str(n.node_id): n.name for n in nodes},
        }
        write_json(self._home.status, status)

    def _over(self) -> bool:
        if not self._once:
            return False
        current = read_current(self._home)
        return current is None or current.state in ("finished", "failed")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()


@contextmanager
def _alone(home: CoordinatorHome) -> Iterator[None]:
    """Hold the directory's lock; the kernel releases it when the process is gone."""
    with (home.root / "service.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunningError("a service is running", where=str(home.root)) from error
        yield
