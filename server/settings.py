"""The operator's choices: `coordinator.toml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from server.home import CoordinatorHome
from shared.config import StrictModel, parse, read_toml

Port = Annotated[int, Field(ge=1, le=65535)]


class EdgeSettings(StrictModel):
    """The one door that partners see."""

    host: str = "0.0.0.0"  # noqa: S104 (the edge is the public side; everything else is on loopback)
    """Address on which the edge listens."""
    port: Port = 8443
    """Port on which the edge listens."""
    max_request_mb: Annotated[int, Field(ge=6, le=1024)] = 16
    """Largest request; Flower sends vectors in objects of at most 5 MiB."""
    request_seconds: Annotated[float, Field(gt=0)] = 120.0
    """Time in which a request must have arrived in full."""
    wait_seconds: Annotated[float, Field(ge=0, le=25)] = 15.0
    """Time for which a node's question for messages is kept open when there are none; Flower's
    client gives up after 30 seconds."""
    max_connections: Annotated[int, Field(ge=1)] = 256
    """Connections at a time."""


class LinkSettings(StrictModel):
    """Flower's SuperLink, on loopback only."""

    port: Port = 18000
    """Port on 127.0.0.1."""


class DeadlineSettings(StrictModel):
    """Seconds that a stage may take before silent nodes count as dropped out."""

    training: Annotated[float, Field(gt=0)] = 3600.0
    """The start stage, in which nodes train."""
    stage: Annotated[float, Field(gt=0)] = 300.0
    """Every other stage."""
    nodes: Annotated[float, Field(gt=0)] = 900.0
    """Time to wait for enough nodes before an attempt at a round."""


class CertificateSettings(StrictModel):
    """Lifetimes of certificates."""

    partner_days: Annotated[int, Field(ge=1, le=825)] = 90
    """Days until a partner must renew."""
    server_days: Annotated[int, Field(ge=1, le=825)] = 365
    """Days of the server certificate; `init --renew` makes the next one."""


class MetricsSettings(StrictModel):
    """Metrics for Prometheus, on loopback only."""

    port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """Port on 127.0.0.1; 0 switches them off."""


class TraceSettings(StrictModel):
    """Traces for OpenTelemetry."""

    endpoint: str = ""
    """Collector (OTLP over HTTP, a URL) to which spans of rounds and stages go; empty: none."""


class CoordinatorSettings(StrictModel):
    """Everything in `coordinator.toml`."""

    federation: Annotated[str, Field(min_length=1, max_length=64)]
    """Name of the federation, shown to partners."""
    address: Annotated[str, Field(pattern=r"^[^\s/@]+:[0-9]{1,5}$")]
    """host:port under which partners reach the edge."""
    edge: EdgeSettings = EdgeSettings()
    """The TLS edge."""
    link: LinkSettings = LinkSettings()
    """The SuperLink."""
    deadlines: DeadlineSettings = DeadlineSettings()
    """Deadlines of a round."""
    certificates: CertificateSettings = CertificateSettings()
    """Certificates."""
    metrics: MetricsSettings = MetricsSettings()
    """Metrics."""
    traces: TraceSettings = TraceSettings()
    """Traces."""

    @property
    def host(self) -> str:
        """Name or address under which partners reach the edge."""
        return self.address.rpartition(":")[0].strip("[]")


TEMPLATE = """\
# The coordinator's settings. Unknown keys are refused.
federation = {federation}      # shown to partners
address = {address}            # host:port under which partners reach the edge

[edge]                         # the one door that partners see: TLS, client certificates, Fleet API
host = "0.0.0.0"
port = {port}
max_request_mb = 16
request_seconds = 120.0        # a request that takes longer to arrive is cut off
wait_seconds = 15.0            # a node's question for messages stays open so long; 0 = not at all
max_connections = 256

[link]                         # Flower's SuperLink; always on 127.0.0.1
port = {link}

[deadlines]                    # seconds; a node that is silent for longer has dropped out
training = 3600.0
stage = 300.0
nodes = 900.0                  # how long to wait for enough nodes before an attempt

[certificates]
partner_days = 90
server_days = 365

[metrics]
port = 9464                    # GET /metrics on 127.0.0.1, for Prometheus; 0 = off

[traces]
endpoint = ""                  # OpenTelemetry collector, http://127.0.0.1:4318/v1/traces; "" = none
"""


def read_settings(home: CoordinatorHome) -> CoordinatorSettings:
    """The settings of the coordinator in `home`.

    Raises
    ------
    ConfigError
    """
    return parse(CoordinatorSettings, read_toml(home.settings), where=str(home.settings))
