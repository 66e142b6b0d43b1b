"""The process: a socket, uvicorn, and what signals do."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket

import uvicorn
from starlette.types import ASGIApp

from clients.serving.config import ServingConfig
from clients.serving.errors import AddressError
from clients.serving.http.guard import LOG
from clients.serving.service import Service
from shared.errors import IsthmusError


def bound(config: ServingConfig) -> socket.socket:
    """A socket that is bound where the configuration says; connections wait until it is served.

    Raises
    ------
    AddressError
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((config.host, config.port))
        found.listen(1024)
    except OSError as error:
        found.close()
        reason = (error.strerror or str(error)).lower()
        raise AddressError(reason, where=f"{config.host}:{config.port}") from error
    found.set_inheritable(True)
    return found


def swap_on_hangup(service: Service) -> None:
    """Let SIGHUP serve the current data and model; what goes wrong is logged, the old ones stay."""
    running: set[asyncio.Task[None]] = set()

    async def swap() -> None:
        try:
            LOG.info("serving model %s", await service.swap())
        except IsthmusError as error:
            LOG.error("the former model stays: %s", error)

    def begin() -> None:
        task = asyncio.get_running_loop().create_task(swap())
        running.add(task)
        task.add_done_callback(running.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)


def run_server(application: ASGIApp, listening: socket.socket, config: ServingConfig) -> None:
    """Serve until SIGTERM or SIGINT; running requests are answered first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = uvicorn.Config(
        application,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=config.shutdown_seconds,
        timeout_keep_alive=30,
    )
    uvicorn.Server(settings).run(sockets=[listening])
