"""The connector moves bytes to the edge with the node's certificate, and nowhere else."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

from clients.connector import Connector, Route
from clients.loopback import create_loopback_certificate
from clients.network_home import NetworkHome
from server.home import CoordinatorHome
from tests.network import admitted_node, coordinator, free_port


def _route(home: CoordinatorHome, network: NetworkHome, port: int, remote: int) -> Route:
    create_loopback_certificate(network)
    return Route(
        port=port,
        host="localhost",
        remote_port=remote,
        authority=home.authority,
        certificate=network.certificate,
        key=network.key,
        local_certificate=network.local_certificate,
        local_key=network.local_key,
    )


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    name = writer.get_extra_info("ssl_object").getpeercert()["subject"][0][0][1]
    data = await reader.read(1 << 20)
    writer.write(name.encode() + b" said " + data)
    await writer.drain()
    writer.close()


async def _ask(route: Route, network: NetworkHome) -> bytes:
    """What comes back through the connector."""
    task = asyncio.create_task(Connector(route).serve())
    context = ssl.create_default_context(cafile=str(network.local_certificate))
    for _ in range(100):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", route.port, ssl=context)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
    try:
        writer.write(b"hello")
        return await asyncio.wait_for(reader.read(), 20)
    except (ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()
        task.cancel()


def test_bytes_reach_the_edge_under_the_nodes_name(tmp_path: Path) -> None:
    home = coordinator(tmp_path)
    network = NetworkHome.of(admitted_node(home, tmp_path, "shop"))
    route = _route(home, network, free_port(), free_port())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(home.server_certificate, home.server_key)
    server.load_verify_locations(home.authority)
    server.verify_mode = ssl.CERT_REQUIRED

    async def run() -> bytes:
        async with await asyncio.start_server(_echo, "localhost", route.remote_port, ssl=server):
            return await _ask(route, network)

    assert asyncio.run(run()) == b"shop said hello"


def test_a_coordinator_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    home, other = coordinator(tmp_path), coordinator(tmp_path / "other")
    network = NetworkHome.of(admitted_node(home, tmp_path, "shop"))
    route = _route(home, network, free_port(), free_port())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(other.server_certificate, other.server_key)

    async def run() -> bytes:
        async with await asyncio.start_server(_echo, "localhost", route.remote_port, ssl=server):
            return await _ask(route, network)

    assert asyncio.run(run()) == b""


def test_an_unreachable_coordinator_closes_the_connection(tmp_path: Path) -> None:
    home = coordinator(tmp_path)
    network = NetworkHome.of(admitted_node(home, tmp_path, "shop"))
    route = replace(_route(home, network, free_port(), 1), remote_port=free_port())
    assert asyncio.run(_ask(route, network)) == b""
