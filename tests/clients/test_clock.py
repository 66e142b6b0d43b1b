"""A clock that is off is named before Flower turns the node away without a reason (N12)."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from clients.clock import ClockError, check_clock, clock_offset
from clients.home import NodeHome
from clients.loopback import create_loopback_certificate
from clients.network_home import NetworkHome
from tests.network import free_port, serving


@pytest.fixture
def network(tmp_path: Path) -> NetworkHome:
    network = NetworkHome.of(NodeHome(tmp_path))
    network.root.mkdir()
    create_loopback_certificate(network)
    return network


def _server(network: NetworkHome, port: int, offset: float) -> uvicorn.Server:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        date = formatdate(time.time() + offset, usegmt=True).encode()
        headers = [(b"date", date), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(
        app,
        port=port,
        lifespan="off",
        ws="none",
        http="h11",
        log_config=None,
        date_header=False,
        ssl_certfile=str(network.local_certificate),
        ssl_keyfile=str(network.local_key),
    )
    return uvicorn.Server(config)


@pytest.mark.parametrize("offset", [600.0, 86400.0, -600.0], ids=["10 minutes", "day", "backwards"])
def test_a_clock_that_is_off_is_named(network: NetworkHome, offset: float) -> None:
    port = free_port()
    with serving(_server(network, port, offset)), pytest.raises(ClockError, match="clock is"):
        check_clock(network, port)


def test_a_right_clock_passes_and_silence_says_nothing(network: NetworkHome) -> None:
    port = free_port()
    with serving(_server(network, port, 0.0)):
        check_clock(network, port)
        assert abs(clock_offset(network, port) or 0.0) < 60
    assert clock_offset(network, port) is None
    check_clock(network, port)
