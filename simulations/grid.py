"""An in-process Flower grid: the same ServerApp and ClientApp objects, no Ray, no sockets.

Each node has a `Context` of its own; messages are copied in both directions because handlers would
otherwise share objects with the coordinator. `Fault` lets a test or an experiment lose, alter or
answer any message.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

Fault = Callable[[int, Message], Message | None]
"""Given the node id and the message: the message to deliver, or None when it is lost."""


class LocalGrid(Grid):
    """Delivers each message to a `ClientApp` in this process, one after the other.

    Parameters
    ----------
    client_app
        The app that every node runs.
    nodes
        Flower node id → node configuration (what `--node-config` carries in a deployment).
    run_config
        The run's configuration, as a node sees it.
    fault
        Called before each delivery; None delivers everything.
    reply_fault
        Called with each reply before the coordinator can have it; None loses nothing.
    """

    def __init__(
        self,
        client_app: ClientApp,
        nodes: Mapping[int, Mapping[str, Any]],
        run_config: Mapping[str, Any] | None = None,
        *,
        fault: Fault | None = None,
        reply_fault: Fault | None = None,
    ) -> None:
        # Messages can only be made inside a Flower task; this process is one now.
        TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1
        self._app = client_app
        self._fault = fault or (lambda _node, message: message)
        self._reply_fault = reply_fault or (lambda _node, message: message)
        self._replies: dict[str, Message] = {}
        self._contexts = {
            node: Context(1, node, dict(config), RecordDict(), dict(run_config or {}))
            for node, config in nodes.items()
        }

    def get_node_ids(self) -> Iterable[int]:
        """All nodes; in this process none ever goes offline by itself."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Deliver at once and keep the replies for `pull_messages`."""
        return [self._deliver(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Hand out replies; each once."""
        return [self._replies.pop(i) for i in message_ids if i in self._replies]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Deliver and collect in one call."""
        return self.pull_messages(self.push_messages(messages))

    def _deliver(self, message: Message) -> str:
        identity = str(uuid4())
        message.metadata.__dict__["_message_id"] = identity
        node = message.metadata.dst_node_id
        delivered = self._fault(node, copy.deepcopy(message))
        if delivered is not None:
            reply = self._reply_fault(node, self._answer(node, delivered))
            if reply is not None:
                self._replies[identity] = reply
        return identity

    def _answer(self, node: int, message: Message) -> Message:
        try:
            return copy.deepcopy(self._app(message=message, context=self._contexts[node]))
        except Exception as error:  # as a SuperNode: whatever the app raises becomes an error reply
            reason = f"{type(error).__name__}: {error}"
            return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason), reply_to=message)

    def set_run(self, run: Any) -> None:
        """Flower's interface; a local grid has one run."""

    @property
    def run(self) -> Any:
        """Flower's interface; there is no run record in this process."""
        raise NotImplementedError("a local grid has no run record")

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """Flower's older interface; construct `Message` instead."""
        raise NotImplementedError("construct flwr.app.Message")
