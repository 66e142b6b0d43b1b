"""Runs the edge: uvicorn with client certificates required, the certificate handed to each request.

uvicorn checks certificates but does not tell the application which one was shown; a protocol class
of three lines does.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

import httpx
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.edge import Edge, Register
from server.home import CoordinatorHome
from server.settings import CoordinatorSettings, read_settings

HEADER_SECONDS: Final = 20
"""Connections that bring no request for this long are closed."""
LINK_SECONDS: Final = 60.0


class CertificateProtocol(H11Protocol):
    """HTTP/1.1 that puts the peer's certificate into ``scope["state"]["certificate"]`` (DER)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the certificate; close connections that bring no request."""
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self.app_state = {**self.app_state, "certificate": certificate}
        super().connection_made(transport)
        self.loop.call_later(HEADER_SECONDS, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if vars(self)["cycle"] is None:  # typed as if there always were one
            self.transport.close()


def edge_server(home: CoordinatorHome) -> uvicorn.Server:
    """A server that is ready to run the edge of the coordinator in `home`."""
    settings = read_settings(home)
    app = Edge(
        Register(home),
        _link_client(home, settings),
        max_bytes=settings.edge.max_request_mb << 20,
        seconds=settings.edge.request_seconds,
        wait=settings.edge.wait_seconds,
    )
    return uvicorn.Server(configuration(app, home, settings))


def configuration(app: Any, home: CoordinatorHome, settings: CoordinatorSettings) -> uvicorn.Config:
    """How uvicorn serves `app`: TLS 1.3, a certificate of our authority or no connection."""
    config = uvicorn.Config(
        app,
        host=settings.edge.host,
        port=settings.edge.port,
        http=CertificateProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        server_header=False,
        date_header=True,  # nodes compare their clock with it
        proxy_headers=False,
        log_config=None,
        limit_concurrency=settings.edge.max_connections,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
        ssl_certfile=str(home.server_certificate),
        ssl_keyfile=str(home.server_key),
        ssl_ca_certs=str(home.authority),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    config.load()
    context: ssl.SSLContext = vars(config)["ssl"]  # made by load()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return config


def _link_client(home: CoordinatorHome, settings: CoordinatorSettings) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=str(home.authority))
    return httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{settings.link.port}",
        verify=context,
        timeout=LINK_SECONDS,
        trust_env=False,
        limits=httpx.Limits(max_connections=settings.edge.max_connections),
    )
