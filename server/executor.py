"""Runs the coordinator's part of a run: the installed code, in one long-lived process.

Takes the place of Flower's SuperExec and `flwr-serverapp`: nothing is unpacked, nothing is
installed, and the run that it works on is named by the coordinator's own files, not by the run's
configuration, which travels to nodes. Uses internals of flwr 1.41, which is pinned.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import httpx
from flwr.common.constant import SubStatus
from flwr.common.serde import context_from_proto, run_from_proto
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
)
from flwr.supercore.auth import load_superexec_auth_secret
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import (
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid.http_grid import HttpGrid

from server.app import run_plan
from server.coordinator import Gathering, RunSettings
from server.home import CoordinatorHome
from server.rounds import Deadlines
from server.run_state import RunState, read_current, write_state
from server.settings import CoordinatorSettings, read_settings
from shared.errors import IsthmusError
from shared.logs import set_up_logs
from shared.tracing import trace_to

ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
POLL_SECONDS = 0.3
NOTE_SECONDS = 10.0
logger = logging.getLogger(__name__)


class ServerExecutor:
    """Takes tasks of the SuperLink and runs the current plan for each.

    Parameters
    ----------
    home
        The coordinator.
    """

    def __init__(self, home: CoordinatorHome) -> None:
        self._home, self._settings = home, read_settings(home)
        self._address = f"127.0.0.1:{self._settings.link.port}"
        self._authority = home.authority.read_bytes()
        secret = load_superexec_auth_secret(secret_file=str(home.executor_secret))
        self._client = RuntimeHttpClient.from_server_address(
            server_address=self._address,
            insecure=False,
            root_certificates=self._authority,
            retry_invoker=make_simple_http_retry_invoker(),
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperExec"),
                SuperExecAuthHttpInterceptor(
                    master_secret=secret or b"", protected_methods=frozenset({ACQUIRE})
                ),
            ],
        )

    def serve(self) -> None:
        """Work until the process is ended."""
        request = AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP])
        while True:
            token = self._client.AcquireTask(request).token
            if token:
                self._run(token)
            else:
                time.sleep(POLL_SECONDS)

    def _run(self, token: str) -> None:
        grid = HttpGrid(self._address, False, self._authority, token=token)
        heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(grid._runtime_client))
        heartbeat.start()
        status = SubStatus.FAILED
        context = None
        try:
            task = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
            TaskIdentity.task_id, TaskIdentity.run_id = task.task_id, task.run.run_id
            TaskIdentity.node_id = task.context.node_id
            context = task.context
            grid.set_run(run_from_proto(task.run))
            if self._work(grid, context_from_proto(context).run_id):
                status = SubStatus.COMPLETED
        finally:
            _finish(grid, PushTaskOutputRequest(context=context, sub_status=status, details=""))
            heartbeat.stop()
            grid.close()

    def _work(self, grid: HttpGrid, flower_run: int) -> bool:
        """Run the current plan if this is its Flower run; records how it ended."""
        current = self._current(flower_run)
        if current is None:
            logger.warning("Flower run %d is not the current one", flower_run)
            return False
        try:
            settings = RunSettings(
                directory=self._home.run(current.run_id),
                identity=self._home.identity,
                deadlines=_deadlines(self._settings),
                gathering=_gathering(self._settings),
            )
            run_plan(grid, settings)
        except IsthmusError as error:
            logger.exception("the run failed")
            self._record(current, state="failed", problem=str(error))
            return False
        self._record(current, state="finished")
        return True

    def _current(self, flower_run: int) -> RunState | None:
        """The current run, once the service has noted that this Flower run carries it."""
        end = time.monotonic() + NOTE_SECONDS
        while time.monotonic() < end:
            current = read_current(self._home)
            if current and current.flower_run == flower_run and current.state == "running":
                return current
            time.sleep(POLL_SECONDS)
        return None

    def _record(self, current: RunState, **changes: str) -> None:
        write_state(self._home, current.model_copy(update=changes))


def _deadlines(settings: CoordinatorSettings) -> Deadlines:
    return Deadlines(training=settings.deadlines.training, stage=settings.deadlines.stage)


def _gathering(settings: CoordinatorSettings) -> Gathering:
    return Gathering(enough_seconds=settings.deadlines.nodes)


def _finish(grid: HttpGrid, output: PushTaskOutputRequest) -> None:
    """Tell the SuperLink that the task is over; if it does not listen, the task expires there."""
    grid._retry_invoker.max_tries = 1
    try:
        grid._runtime_client.PushTaskOutput(output)
    except httpx.HTTPError as error:
        logger.warning("the end of the task could not be reported: %s", type(error).__name__)


def main() -> None:
    """Entry point: ``python -m server.executor HOME``."""
    set_up_logs()
    home = CoordinatorHome(Path(sys.argv[1]))
    trace_to(read_settings(home).traces.endpoint, "isthmus-coordinator")
    ServerExecutor(home).serve()


if __name__ == "__main__":
    main()
