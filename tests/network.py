"""A coordinator and admitted nodes on disk for tests, and an edge on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from clients.enrolment import accept_admission, accept_invitation
from clients.home import NodeHome
from clients.network_home import NetworkHome
from server.enrolment import approve, create_coordinator, invite
from server.home import CoordinatorHome


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def coordinator(root: Path) -> CoordinatorHome:
    """A coordinator on free ports."""
    home = CoordinatorHome(root / "coordinator")
    create_coordinator(home, "test", f"localhost:{free_port()}", free_port())
    return home


def admitted_node(home: CoordinatorHome, root: Path, name: str, declared: int = 64) -> NodeHome:
    """A node that has joined under `name`."""
    node = NodeHome(root / name)
    invitation, path = invite(home, name)
    request, path = accept_invitation(node, path, invitation.fingerprint(), declared)
    accept_admission(node, approve(home, path, request.fingerprint()))
    return node


def client_context(home: CoordinatorHome, node: NodeHome | None) -> ssl.SSLContext:
    """TLS of a partner; None shows no certificate."""
    context = ssl.create_default_context(cafile=str(home.authority))
    if node is not None:
        network = NetworkHome.of(node)
        context.load_cert_chain(network.certificate, network.key)
    return context


@contextmanager
def serving(server: uvicorn.Server) -> Iterator[None]:
    """Run a server in a thread until the block ends."""
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()
