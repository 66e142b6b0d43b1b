"""Signing off from the SuperLink on behalf of a SuperNode that died.

A SuperLink counts a node as online for a minute after its last sign of life and turns away the same
node in the meantime. A node that starts again therefore signs its former self off first, with the
same key, and is back at once.
"""

from __future__ import annotations

import logging

import httpx
from flwr.proto.fleet_pb2 import DeactivateNodeRequest
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from clients.network_home import NetworkHome
from shared.credentials import load_transport_key

logger = logging.getLogger(__name__)


def sign_off(network: NetworkHome, port: int) -> None:
    """Tell the SuperLink, through the connector on `port`, that this node is offline."""
    if not network.node_id.exists():
        return  # it was never given a task here
    key = load_transport_key(network.key)
    client = FleetHttpClient.from_server_address(
        f"127.0.0.1:{port}",
        False,
        str(network.local_certificate),
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name="SuperNode"),
            NodeAuthHttpInterceptor(key, key.public_key()),
        ],
    )
    try:
        with client:
            client.DeactivateNode(DeactivateNodeRequest(node_id=int(network.node_id.read_text())))
    except (httpx.HTTPError, RuntimeError, ValueError) as error:
        logger.info("not signed off: %s", type(error).__name__)
