"""The directory of a node: where its keys, ledger, locks and working files stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.errors import ConfigError


class NoNodeError(ConfigError):
    """The directory is not a node: it has no node.toml."""

    code = "CFG-100"
    default_remedy = "make one with isthmus-node init, or give --home DIR"


@dataclass(frozen=True, slots=True)
class NodeHome:
    """Paths under one directory, all of them private to the node."""

    root: Path

    @classmethod
    def existing(cls, root: Path) -> NodeHome:
        """The node in `root`; one of the laboratory has a policy and no node.toml.

        Raises
        ------
        NoNodeError
        """
        home = cls(root)
        if not home.config.exists() and not home.policy.exists():
            raise NoNodeError("no node.toml", where=str(root))
        return home

    @property
    def config(self) -> Path:
        """What the platform chooses: `clients.node_config`."""
        return self.root / "node.toml"

    @property
    def pseudonym_key(self) -> Path:
        """Key of the pseudonyms."""
        return self.root / "pseudonym.key"

    @property
    def serving_keys(self) -> Path:
        """Folder of the service's hashed API keys."""
        return self.root / "keys"

    @property
    def store(self) -> Path:
        """Cleaned catalogue and histories, and the state of live data."""
        return self.root / "store"

    @property
    def reports(self) -> Path:
        """Validation reports of the last ingestion."""
        return self.root / "reports"

    @property
    def erasures(self) -> Path:
        """Signed receipts of what was erased at a user's request."""
        return self.root / "erasures"

    @property
    def identity(self) -> Path:
        """Ed25519 identity key."""
        return self.root / "identity.pem"

    @property
    def policy(self) -> Path:
        """The node's own limits."""
        return self.root / "policy.json"

    @property
    def ledger(self) -> Path:
        """Privacy ledger."""
        return self.root / "ledger.jsonl"

    @property
    def receipts(self) -> Path:
        """Receipt log of every message that left."""
        return self.root / "receipts.jsonl"

    @property
    def approvals(self) -> Path:
        """Plans that reached this node, and what was said of each."""
        return self.root / "approvals"

    @property
    def locks(self) -> Path:
        """One-use locks of secure aggregation."""
        return self.root / "locks"

    @property
    def training(self) -> Path:
        """What the node trains on: histories and item vectors."""
        return self.root / "training.safetensors"

    @property
    def article_key(self) -> Path:
        """Key under which the partners compare articles; the coordinator never has it."""
        return self.root / "article.key"

    @property
    def initial(self) -> Path:
        """Folder of public, pre-trained weights that plans may start from."""
        return self.root / "initial"

    @property
    def models(self) -> Path:
        """Model bundles, and which of them is served."""
        return self.root / "models"

    @property
    def encodings(self) -> Path:
        """Encoded item texts, so that a catalogue is encoded once."""
        return self.root / "cache" / "encodings"

    @property
    def local_training(self) -> Path:
        """What an interrupted local training goes on from."""
        return self.root / "training"

    def run(self, run_id: str) -> Path:
        """Working files of one run: update, session, server state."""
        return self.root / "runs" / run_id
