"""The section ``[serving]`` of node.toml."""

from __future__ import annotations

from pydantic import Field

from clients.retrieval.index import INDEX_FROM
from shared.config import StrictModel


class ServingConfig(StrictModel):
    """How the node's service listens and what it holds in memory."""

    host: str = "127.0.0.1"
    """Address to listen on. The service speaks HTTP: on any other address than this machine's own
    put a reverse proxy with TLS before it."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    cached_users: int = Field(default=100_000, ge=1)
    """Users whose recurrent state is kept in memory; the least recently served go first."""
    index_from: int = Field(default=INDEX_FROM, ge=1)
    """Items from which on an approximate index finds candidates, built by `train`; below it every
    item is scored for every request."""
    index_probes: int = Field(default=32, ge=1, le=4096)
    """Cells of the index that a request looks into; more find more and take longer."""
    candidates: int = Field(default=2000, ge=100, le=100_000)
    """Most items that the index finds, and most for which the history's other evidence speaks."""
    batch: int = Field(default=16, ge=1, le=256)
    """Most requests that are scored together."""
    waiting: int = Field(default=512, ge=1)
    """Most requests that may wait; more are told to come back later (503)."""
    requests_per_second: float = Field(default=1000.0, gt=0)
    """Rate at which one API key may ask, on average."""
    burst: int = Field(default=2000, ge=1)
    """Requests that one API key may save up."""
    body_bytes: int = Field(default=256 << 10, ge=1024, le=16 << 20)
    """Longest body of a request."""
    shutdown_seconds: int = Field(default=20, ge=1)
    """Time that running requests get when the service is told to stop."""
