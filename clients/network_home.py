"""Where a node keeps what it needs to reach the coordinator: ``HOME/network``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clients.home import NodeHome


@dataclass(frozen=True, slots=True)
class NetworkHome:
    """Paths of the network part of a node's directory, mode 0700."""

    root: Path

    @classmethod
    def of(cls, home: NodeHome) -> NetworkHome:
        """The network part of `home`."""
        return cls(home.root / "network")

    @property
    def invitation(self) -> Path:
        """The invitation that was accepted."""
        return self.root / "invitation.json"

    @property
    def authority(self) -> Path:
        """Certificate of the federation's authority."""
        return self.root / "authority.pem"

    @property
    def request(self) -> Path:
        """The latest join request; send it to the coordinator."""
        return self.root / "request.json"

    @property
    def key(self) -> Path:
        """Transport key in use."""
        return self.root / "key.pem"

    @property
    def next_key(self) -> Path:
        """Transport key of the latest request, until its admission arrives."""
        return self.root / "next-key.pem"

    @property
    def certificate(self) -> Path:
        """Client certificate in use."""
        return self.root / "certificate.pem"

    @property
    def flower_key(self) -> Path:
        """The transport key in the form that Flower's SuperNode reads."""
        return self.root / "flower-key"

    @property
    def executor_secret(self) -> Path:
        """Secret without which no process of this machine gets a task from the SuperNode."""
        return self.root / "executor.secret"

    @property
    def local_key(self) -> Path:
        """Key of the connector's certificate on loopback."""
        return self.root / "local-key.pem"

    @property
    def local_certificate(self) -> Path:
        """Self-signed certificate of the connector, for 127.0.0.1 alone."""
        return self.root / "local-certificate.pem"

    @property
    def flower(self) -> Path:
        """FLWR_HOME of the SuperNode."""
        return self.root / "flower"

    @property
    def node_id(self) -> Path:
        """Number that the SuperLink gave this node."""
        return self.root / "node-id"

    @property
    def log(self) -> Path:
        """Output of the SuperNode."""
        return self.root / "supernode.log"

    @property
    def status(self) -> Path:
        """What the running node says of itself."""
        return self.root / "status.json"
