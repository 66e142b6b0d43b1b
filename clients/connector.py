"""The node's only way out: from loopback to the coordinator's edge, with a client certificate.

Flower's SuperNode cannot show a client certificate. It therefore speaks to this connector on
loopback, which opens a TLS connection to the edge with the node's certificate and moves bytes. The
connector looks into nothing, knows one address, and does not follow redirects.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

BUFFER_BYTES = 1 << 16
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 600.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where the connector listens and where it leads.

    Attributes
    ----------
    port
        Port on 127.0.0.1.
    host, remote_port
        The coordinator's edge.
    authority
        Certificate of the federation's authority; no other is accepted.
    certificate, key
        What this node shows.
    local_certificate, local_key
        What the connector shows on loopback.
    """

    port: int
    host: str
    remote_port: int
    authority: Path
    certificate: Path
    key: Path
    local_certificate: Path
    local_key: Path


class Connector:
    """Moves bytes between the SuperNode and the edge.

    Parameters
    ----------
    route
        Where to listen and where to go.
    """

    def __init__(self, route: Route) -> None:
        self._route = route

    async def serve(self) -> None:
        """Listen until cancelled."""
        inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        inward.load_cert_chain(self._route.local_certificate, self._route.local_key)
        server = await asyncio.start_server(
            self._connection, "127.0.0.1", self._route.port, ssl=inward, limit=BUFFER_BYTES
        )
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                far_reader, far_writer = await self._open()
        except (OSError, TimeoutError) as error:
            logger.warning("the coordinator cannot be reached: %s", _reason(error))
            await _close(writer)
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the edge; the certificate is read anew, so a renewal needs no restart."""
        context = ssl.create_default_context(cafile=str(self._route.authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._route.certificate, self._route.key)
        return await asyncio.open_connection(
            self._route.host, self._route.remote_port, ssl=context, limit=BUFFER_BYTES
        )


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                data = await reader.read(BUFFER_BYTES)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    except (OSError, TimeoutError) as error:
        logger.debug("connection ended: %s", _reason(error))
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(CONNECT_SECONDS):
            await writer.wait_closed()


def _reason(error: BaseException) -> str:
    """What is wrong with the connection; TLS errors name the alert."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS"
    return type(error).__name__
