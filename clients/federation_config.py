"""The section ``[federation]`` of `node.toml`: how this node takes part in a federation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.config import StrictModel
from shared.hashing import Digest

Port = Annotated[int, Field(ge=0, le=65535)]


class FederationConfig(StrictModel):
    """What is the node's own choice; limits on plans stand in its policy."""

    connector_port: Port = 0
    """Port on 127.0.0.1 of the way out to the coordinator; 0 takes a free one."""
    runtime_port: Port = 0
    """Port on 127.0.0.1 on which SuperNode and executor talk; 0 takes a free one."""
    trace_endpoint: str = ""
    """OpenTelemetry collector of this platform (OTLP over HTTP, a URL) to which spans of answered
    messages go; empty: none."""
    allowed_bundles: tuple[Digest, ...] = ()
    """SHA-256 of further app bundles that a coordinator may name. No bundle is ever unpacked; this
    node's own release is always allowed. For coordinators of another release."""
