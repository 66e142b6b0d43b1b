"""The operator's side of the SuperLink: who may connect, who is online, which run is on.

Calls Flower's Control API on loopback. That API has no accounts in Flower 1.41: whoever reaches the
port is the operator, which is why nobody else may reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import httpx
from flwr.cli.cli_client_interceptor import CliClientHttpInterceptor
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

from server.home import CoordinatorHome
from server.settings import CoordinatorSettings
from shared.app_bundle import bundle, bundle_hash
from shared.errors import FederationError

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class LinkError(FederationError):
    """The SuperLink does not answer, or refuses the operator's request."""

    code = "FED-109"
    default_remedy = "see the SuperLink's log in the coordinator's directory: link/superlink.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedNode:
    """One registered node."""

    node_id: int
    name: str
    key: bytes
    online: bool


class LinkClient:
    """Operator's calls to the SuperLink of one coordinator.

    Parameters
    ----------
    home, settings
        The coordinator.
    """

    def __init__(self, home: CoordinatorHome, settings: CoordinatorSettings) -> None:
        self._client = ControlHttpClient.from_server_address(
            server_address=f"127.0.0.1:{settings.link.port}",
            insecure=False,
            root_certificates=str(home.authority),
            interceptors=[
                CliClientHttpInterceptor(),
                RuntimeVersionHttpInterceptor(component_name="flwr CLI"),
            ],
        )

    def nodes(self) -> list[LinkedNode]:
        """All registered nodes.

        Raises
        ------
        LinkError
        """
        answer = _call(self._client.ListNodes, ListNodesRequest())
        return [
            LinkedNode(
                node_id=n.node_id, name=n.name, key=n.public_key, online=n.status == "online"
            )
            for n in answer.nodes_info
            if n.status != "unregistered"
        ]

    def admit(self, keys: dict[bytes, str]) -> None:
        """Make the registered nodes those with these keys (PEM → name): no more and no fewer.

        Raises
        ------
        LinkError
        """
        there = {node.key.strip(): node for node in self.nodes()}
        wanted = {key.strip(): (key, name) for key, name in keys.items()}
        for key in wanted.keys() - there.keys():
            request = RegisterNodeRequest(public_key=wanted[key][0], name=wanted[key][1])
            _call(self._client.RegisterNode, request)
        for key in there.keys() - wanted.keys():
            request = UnregisterNodeRequest(node_id=there[key].node_id)
            _call(self._client.UnregisterNode, request)

    def start_run(self) -> int:
        """Start a run of the thin bundle; returns Flower's number of it.

        Raises
        ------
        LinkError
        """
        fab = fab_to_proto(Fab(bundle_hash(), bundle(), {}))
        return int(_call(self._client.StartRun, StartRunRequest(fab=fab)).run_id)

    def stop_runs(self, runs: Iterable[int]) -> None:
        """Stop runs; those that have ended already are left alone."""
        for run in runs:
            try:
                _call(self._client.StopRun, StopRunRequest(run_id=run))
            except LinkError:
                continue

    def close(self) -> None:
        """Close connections."""
        self._client.close()


def _call(send: Callable[[Request], Answer], request: Request) -> Answer:
    try:
        return send(request)
    except (httpx.HTTPError, ValueError) as error:
        raise LinkError(f"{type(request).__name__}: {type(error).__name__}") from error
