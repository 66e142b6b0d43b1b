"""Processor time of a request from body to answer, without sockets: what load by others spares.

The application is called in this process, sixteen requests at a time as under load, and processor
time is counted: on a machine that others use too, its inverse is what a core of one's own could do.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from typing import Any

from starlette.types import ASGIApp, Message

from benchmarks.serving.node import USERS
from clients.home import NodeHome
from clients.node_config import read_node_config
from clients.serving.http.application import make_application
from clients.serving.keys import ApiKeys, key_file
from clients.serving.opening import open_service

TOGETHER = 16


def inside(home: NodeHome, key: str, requests: int = 480) -> dict[str, Any]:
    """Milliseconds of processor a request."""
    logging.getLogger("isthmus").addHandler(logging.NullHandler())
    logging.getLogger("isthmus").setLevel(logging.INFO)
    service = open_service(home, read_node_config(home, {}))
    app = make_application(service, ApiKeys(key_file(home)), lambda _user: None)
    asyncio.run(_many(app, key, 4 * TOGETHER))  # caches, threads
    began = time.process_time()
    asyncio.run(_many(app, key, requests))
    found = 1e3 * (time.process_time() - began) / requests
    service.close()
    return {"what": "application without sockets, 16 at a time", "cpu_ms": found}


async def _many(app: ASGIApp, key: str, requests: int) -> None:
    async def one() -> None:
        for _ in range(requests // TOGETHER):
            await _ask(app, key)

    await asyncio.gather(*(one() for _ in range(TOGETHER)))


async def _ask(app: ASGIApp, key: str) -> None:
    body = json.dumps({"user": f"user-{random.randrange(USERS)}", "k": 10}).encode()
    statuses = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    length = (b"content-length", str(len(body)).encode())
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/recommendations",
        "raw_path": b"/v1/recommendations",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {key}".encode()), length],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    if statuses != [200]:
        raise RuntimeError(f"answered {statuses}")
