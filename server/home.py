"""The directory of a coordinator: keys, partners, runs and the SuperLink's database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.errors import ConfigError


class NoCoordinatorError(ConfigError):
    """The directory is not a coordinator: it has no coordinator.toml."""

    code = "CFG-016"
    default_remedy = (
        "make one with isthmus-coordinator init, or give --home DIR (ISTHMUS_COORDINATOR_HOME)"
    )


@dataclass(frozen=True, slots=True)
class CoordinatorHome:
    """Paths under one directory, mode 0700."""

    root: Path

    @classmethod
    def existing(cls, root: Path) -> CoordinatorHome:
        """The coordinator in `root`.

        Raises
        ------
        NoCoordinatorError
        """
        home = cls(root)
        if not home.settings.exists():
            raise NoCoordinatorError("no coordinator.toml", where=str(root))
        return home

    @property
    def settings(self) -> Path:
        """The operator's choices."""
        return self.root / "coordinator.toml"

    @property
    def identity(self) -> Path:
        """Ed25519 key that signs plans, invitations and admissions."""
        return self.root / "identity.pem"

    @property
    def authority_key(self) -> Path:
        """Private key of the certificate authority."""
        return self.root / "authority" / "key.pem"

    @property
    def authority(self) -> Path:
        """Certificate of the authority."""
        return self.root / "authority" / "certificate.pem"

    @property
    def server_key(self) -> Path:
        """Private key of the TLS edge and the SuperLink."""
        return self.root / "server" / "key.pem"

    @property
    def server_certificate(self) -> Path:
        """Their certificate."""
        return self.root / "server" / "certificate.pem"

    @property
    def executor_secret(self) -> Path:
        """Secret without which nobody gets a task from the SuperLink."""
        return self.root / "server" / "executor.secret"

    @property
    def partners(self) -> Path:
        """Who was admitted, with which keys and certificates."""
        return self.root / "partners.json"

    @property
    def documents(self) -> Path:
        """Invitations and admissions to hand out."""
        return self.root / "documents"

    @property
    def article_lists(self) -> Path:
        """Keyed hashes of the partners' articles, one file a partner."""
        return self.root / "articles"

    @property
    def link(self) -> Path:
        """The SuperLink's directory: database and logs."""
        return self.root / "link"

    @property
    def database(self) -> Path:
        """The SuperLink's SQLite database."""
        return self.link / "state.db"

    @property
    def initial(self) -> Path:
        """Folder of public, pre-trained weights that plans may start from."""
        return self.root / "initial"

    @property
    def runs(self) -> Path:
        """One directory a run."""
        return self.root / "runs"

    @property
    def current(self) -> Path:
        """Which run the service works on."""
        return self.runs / "current.json"

    @property
    def status(self) -> Path:
        """What the running service says of itself."""
        return self.root / "status.json"

    def run(self, run_id: str) -> Path:
        """Plan, checkpoints and reports of one run."""
        return self.runs / run_id
