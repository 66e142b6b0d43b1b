"""The pinned executor: runs the code that this platform installed, never what a coordinator ships.

Flower's own executor unpacks the app bundle that came from the coordinator and imports it, next to
the raw data. This process takes its place: it holds the bundle's hash against the allow-list, never
unpacks it, and hands the message to the installed `clients.app`. What came with the message besides
its content (run configuration, context) is thrown away; the node's directory is the one this
process was started with. Only constant codes go back. Uses internals of flwr 1.41, which is pinned.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.auth import load_superexec_auth_secret
from flwr.supercore.constant import TaskType
from flwr.supercore.fab import Fab
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

from clients.home import NodeHome
from clients.network_home import NetworkHome
from clients.preparation import announced_plan, refresh_training
from shared.app_bundle import bundle_hash
from shared.errors import FederationError, IsthmusError
from shared.files import write_atomically
from shared.logs import set_up_logs
from shared.tracing import trace_to
from shared.wire import START, Parcel

ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
POLL_SECONDS = 0.1
INTERNAL_ERROR = "FED-099"
logger = logging.getLogger(__name__)


class BundleRefusedError(FederationError):
    """The coordinator named an app bundle that is not on this node's allow-list."""

    code = "FED-115"
    default_remedy = "run the same release on both sides, or add the hash to allowed_bundles"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorTerms:
    """What this executor works with.

    Attributes
    ----------
    home
        The node's directory.
    port
        Port of the SuperNode's Runtime API on 127.0.0.1.
    allowed
        Hashes of bundles that may be named.
    """

    home: NodeHome
    port: int
    allowed: frozenset[str]


class NodeExecutor:
    """Takes tasks of the SuperNode and answers them with `app`.

    Parameters
    ----------
    terms
        What to work with.
    app
        The installed ClientApp.
    """

    def __init__(self, terms: ExecutorTerms, app: ClientApp) -> None:
        self._terms, self._app = terms, app
        secret_file = NetworkHome.of(terms.home).executor_secret
        secret = load_superexec_auth_secret(secret_file=str(secret_file))
        self._client = self._connect(
            RuntimeVersionHttpInterceptor(component_name="SuperExec"),
            SuperExecAuthHttpInterceptor(
                master_secret=secret or b"", protected_methods=frozenset({ACQUIRE})
            ),
        )

    def serve(self) -> None:
        """Work until the process is ended."""
        request = AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP])
        while True:
            token = self._client.AcquireTask(request).token
            if token:
                self._run(token)
            else:
                time.sleep(POLL_SECONDS)

    def _run(self, token: str) -> None:
        """One task; whatever goes wrong, the next one is taken."""
        client = self._connect(
            RuntimeVersionHttpInterceptor(component_name="flwr-clientapp"),
            RuntimeTokenHttpInterceptor(token),
        )
        heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(client))
        heartbeat.start()
        try:
            message, context, _run, fab = pull_task_input(client)
            self._note(context.node_id)
            reply = self.answer(message, context, fab)
            push_message(client, reply, context)
            push_task_output(client, context, SubStatus.COMPLETED, "")
        except ObjectPullError as error:  # its run was over before it had come in full
            logger.warning("a message is gone: %s", error)
        except (httpx.HTTPError, RuntimeError, ValueError):
            logger.exception("the SuperNode did not take the answer")
        finally:
            heartbeat.stop()
            client.close()

    def answer(self, message: Message, context: Context, fab: Fab) -> Message:
        """The reply to one message; an error reply holds a code and nothing else."""
        try:
            check_bundle(fab, self._terms.allowed)
            if message.metadata.message_type == START:
                self._prepare(message)
            own = Context(
                run_id=context.run_id,
                node_id=context.node_id,
                node_config={"node-dir": str(self._terms.home.root)},
                state=RecordDict(),
                run_config={},
            )
            return self._app(message=message, context=own)
        except BundleRefusedError as error:
            logger.warning("%s", error)
            refusal = Error(ErrorCode.INVALID_FAB, error.code)
        except IsthmusError as error:
            logger.warning("%s", error)
            refusal = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, error.code)
        except Exception:  # a stage that the app does not have, or a fault of ours
            logger.exception("no answer to %r", message.metadata.message_type)
            refusal = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, INTERNAL_ERROR)
        return Message(refusal, reply_to=message)

    def _prepare(self, message: Message) -> None:
        """Bring what is trained on in line with the store and the plan that begins.

        The app checks the plan again: here nothing is prepared for one that is refused, while the
        app must not rely on another process, answers without this one in the lab, and may hold a
        policy that was read at another time.
        """
        home = self._terms.home
        try:
            parcel = Parcel.from_record(message.content)
            plan = announced_plan(parcel.body, home)
        except IsthmusError:
            return  # the app refuses it, with a receipt
        refresh_training(home, plan)

    def _note(self, node_id: int) -> None:
        """Keep the number that the SuperLink gave this node: needed to sign off after a crash."""
        path = NetworkHome.of(self._terms.home).node_id
        text = str(node_id).encode()
        if not path.exists() or path.read_bytes() != text:
            write_atomically(path, text)

    def _connect(self, *interceptors: ProtobufClientInterceptor) -> RuntimeHttpClient:
        return RuntimeHttpClient.from_server_address(
            server_address=f"127.0.0.1:{self._terms.port}",
            insecure=True,  # loopback; the SuperNode demands the executor's secret
            root_certificates=None,
            retry_invoker=make_simple_http_retry_invoker(),
            interceptors=interceptors,
        )


def check_bundle(fab: Fab, allowed: frozenset[str]) -> None:
    """Refuse a bundle that is not on the allow-list; its bytes are hashed, never opened.

    Raises
    ------
    BundleRefusedError
    """
    found = hashlib.sha256(fab.content).hexdigest()
    if found not in allowed:
        raise BundleRefusedError(f"bundle {found}")


def main(app: ClientApp | None = None) -> None:
    """Entry point: ``python -m clients.executor --home DIR --port N``; runs the node's app."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--allow", nargs="*", default=[])
    parser.add_argument("--trace", default="")
    arguments = parser.parse_args()
    set_up_logs()
    trace_to(arguments.trace, "isthmus-node")
    if app is None:
        from clients.app import app as installed

        app = installed
    terms = ExecutorTerms(
        home=NodeHome(arguments.home),
        port=arguments.port,
        allowed=frozenset({bundle_hash(), *arguments.allow}),
    )
    NodeExecutor(terms, app).serve()


if __name__ == "__main__":
    main()
