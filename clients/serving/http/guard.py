"""Around every request: its number, a bound on its body, headers, a log line, and no stack trace.

A log line names the route's pattern and never the path, the query, a key or a body.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
import traceback
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clients.serving.errors import BodyTooLongError
from clients.serving.http.metrics import Metrics
from clients.serving.http.problems import problem_of

LOG: Final = logging.getLogger("isthmus.serving")
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


class Guard:
    """Outermost part of the application.

    Parameters
    ----------
    app
        What answers.
    metrics
        Where requests are counted.
    body_bytes
        Longest body.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, body_bytes: int) -> None:
        self._app, self._metrics, self._body_bytes = app, metrics, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, number = time.perf_counter(), secrets.token_hex(8)
        scope["state"] = {**scope.get("state", {}), "request": number}
        status = 0

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = (*HEADERS, (b"x-request-id", number.encode()))
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        try:
            await self._app(scope, _Bounded(scope, receive, self._body_bytes), answered)
        except BodyTooLongError as error:
            await problem_of(error, number)(scope, receive, answered)
        except Exception as error:
            LOG.error(json.dumps({"request": number, **_told(error)}))
            if not status:
                await problem_of(error, number)(scope, receive, answered)
        seconds = time.perf_counter() - started
        route = getattr(scope.get("route"), "path", "-")
        self._metrics.request(route, scope["method"], status, seconds)
        _log(number, scope["method"], route, status, seconds)


class _Bounded:
    """Receives a body up to a length."""

    def __init__(self, scope: Scope, receive: Receive, most: int) -> None:
        self._receive, self._left = receive, most
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        self._too_long = not declared.isdigit() or int(declared) > most

    async def __call__(self) -> Message:
        if self._too_long:
            raise BodyTooLongError("the body is too long")
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise BodyTooLongError("the body is too long")
        return message


def _told(error: Exception) -> dict[str, object]:
    """What and where; messages of unexpected errors may hold ids, so they are left out."""
    frames = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    return {"error": type(error).__name__, "frames": frames[-8:]}


def _log(number: str, method: str, route: str, status: int, seconds: float) -> None:
    line = {
        "request": number,
        "method": method,
        "route": route,
        "status": status,
        "ms": round(1000 * seconds, 2),
    }
    LOG.info(json.dumps(line))
