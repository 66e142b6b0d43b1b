"""The checks of `isthmus-node doctor`: they change nothing, and a failing one stops no other.

A check returns what is good, or None where there is nothing to look at; what is wrong it raises.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from clients.data.ingest import require_mapped
from clients.data.node_ingest import NodeIngestion
from clients.data.origins import open_origin
from clients.data.pseudonyms import PseudonymKey
from clients.data.snapshot import Snapshot
from clients.data.state import NodeState
from clients.data.store import NodeStore, next_key_file
from clients.data.store_errors import NoSnapshotError
from clients.home import NodeHome
from clients.lifecycle.findings import (
    BudgetTroubleError,
    CertificateEndingError,
    CertificateTroubleError,
    ClockTroubleError,
    CoordinatorTroubleError,
    DiskTroubleError,
    EndpointTroubleError,
    Finding,
    ModeTroubleError,
    NothingIngestedError,
    TroubleError,
)
from clients.network_home import NetworkHome
from clients.node_config import NodeConfig
from shared.errors import IsthmusError, in_words
from shared.keyfile import load_identity, public_bytes

RELEASED: Final = 1_760_000_000.0
"""No clock that is right shows an earlier time than this."""
SKEW: Final = 300.0
LEAST_FREE: Final = 2 * 2**30
SOON: Final = 14 * 86_400.0
SPENT: Final = 0.01
"""Share of a budget that is too little for any round: plans are calibrated to end just below."""
PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """One look at a node.

    Attributes
    ----------
    home
        The node.
    config
        Its configuration, readable already.
    now
        Seconds since 1970.
    """

    home: NodeHome
    config: NodeConfig
    now: float

    def examine(self) -> Iterator[Finding]:
        """The findings, one a check, in order."""
        checks: dict[str, Callable[[], str | None]] = {
            "clock": self._clock,
            "disk": self._disk,
            "file modes": self._modes,
            "identity": self._identity,
            "pseudonym key": self._pseudonym_key,
            "sources": self._sources,
            "store": self._store,
            "encoder": self._encoder,
            "text model": self._text,
            "processor": self._processor,
            "certificate": self._certificate,
            "coordinator": self._coordinator,
            "privacy budget": self._budget,
        }
        for name, check in checks.items():
            yield _finding(name, check)

    def _clock(self) -> str:
        newest = max((path.stat().st_mtime for path in _files(self.home.root)), default=0.0)
        if self.now < max(newest - SKEW, RELEASED):
            raise ClockTroubleError(f"it shows {_moment(self.now)}, but this node has newer files")
        return _moment(self.now)

    def _disk(self) -> str:
        free = shutil.disk_usage(self.home.root).free
        if free < LEAST_FREE:
            raise DiskTroubleError(f"{free / 2**30:.1f} GiB free", where=str(self.home.root))
        return f"{free / 2**30:.0f} GiB free"

    def _modes(self) -> str:
        there = [path for path in _private_files(self.home) if path.exists()]
        bad = [path for path in there if path.stat().st_mode & 0o077]
        if bad:
            raise ModeTroubleError(
                f"other accounts can open {len(bad)} of {len(there)} private files",
                where=str(bad[0]),
            )
        return f"{len(there)} private files"

    def _identity(self) -> str:
        key = public_bytes(load_identity(self.home.identity))
        return f"Ed25519, public key {key.hex()}"

    def _pseudonym_key(self) -> str:
        NodeStore(self.home).require_settled_key()
        return PseudonymKey.load(self.home.pseudonym_key).key_id

    def _sources(self) -> str:
        data = self.config.data
        key = PseudonymKey.load(self.home.pseudonym_key)
        run = NodeIngestion(
            home=self.home, name=self.config.name, config=data, key=key, now=self.now
        )
        events = run.event_source()
        items = open_origin(self.home, data.items) if data.items.given else None
        require_mapped(events, items, data.mapping())
        return f"{events.name}; items: {items.name if items else 'none'}"

    def _store(self) -> str:
        NodeState(self.home.store / "state.db").close()
        try:
            found = Snapshot(self.home.store).manifest
        except NoSnapshotError as error:
            raise NothingIngestedError("no data yet") from error
        return f"{found.events:,} events of {found.users:,} users on {found.items:,} items"

    def _encoder(self) -> str:
        from shared.models.encoders.registry import load_encoder

        chosen = self.config.encoder
        encoder = load_encoder(chosen.name, fingerprint=chosen.fingerprint or None)
        return f"{encoder.name} {encoder.fingerprint[:16]}"

    def _text(self) -> str:
        text = self.config.text
        if text.backend == "local":
            from clients.text.local import checked, model_file

            path = model_file(text.local)
            return f"{path.name} {checked(path, text.local)[:16]}"
        if text.backend == "endpoint":
            url = urlsplit(text.endpoint.url)
            port = url.port or (443 if url.scheme == "https" else 80)
            _reach(url.hostname or "", port, EndpointTroubleError)
            return f"{url.hostname}:{port} answers"
        return "templates need none"

    def _processor(self) -> str:
        from clients.training.device import Compute

        wanted = self.config.training.device
        return f"{Compute.named(wanted).label} (device = {wanted!r})"

    def _certificate(self) -> str | None:
        path = NetworkHome.of(self.home).certificate
        if not path.exists():
            return None
        from cryptography import x509

        found = x509.load_pem_x509_certificate(path.read_bytes())
        begin, end = found.not_valid_before_utc, found.not_valid_after_utc
        if not begin.timestamp() - SKEW <= self.now <= end.timestamp():
            raise CertificateTroubleError(f"valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}")
        if end.timestamp() - self.now < SOON:
            raise CertificateEndingError(f"it ends on {end:%Y-%m-%d}")
        return f"valid to {end:%Y-%m-%d}"

    def _coordinator(self) -> str | None:
        if not NetworkHome.of(self.home).invitation.exists():
            return None
        from clients.enrolment import read_invitation

        address = read_invitation(self.home).address
        host, port = address.rsplit(":", maxsplit=1)
        _reach(host, int(port), CoordinatorTroubleError)
        return f"{address} answers"

    def _budget(self) -> str | None:
        if not self.home.ledger.exists():
            return None
        from clients.budget import ledger_in
        from shared.privacy.report import privacy_report

        report = privacy_report(ledger_in(self.home))
        if report.left < SPENT * report.lifetime.epsilon:
            raise BudgetTroubleError(f"{report.spent:.3f} of epsilon {report.lifetime.epsilon:g}")
        return f"epsilon {report.left:.2f} left of {report.lifetime.epsilon:.2f}"


def _finding(name: str, check: Callable[[], str | None]) -> Finding:
    try:
        text = check()
    except IsthmusError as error:
        where = f" ({error.where})" if error.where else ""
        severity = error.severity if isinstance(error, TroubleError) else "error"
        return Finding(
            check=name,
            severity=severity,
            text=error.problem + where,
            code=error.code,
            remedy=error.remedy,
        )
    except Exception as error:  # a check that breaks is a finding, not the end of the examination
        return Finding(
            check=name,
            severity="error",
            text=f"{type(error).__name__} while looking",
            code=TroubleError.code,
            remedy="report this with the output of --json",
        )
    if text is None:
        return Finding(check=name, severity="skipped", text="nothing there yet")
    return Finding(check=name, severity="good", text=text)


def _private_files(home: NodeHome) -> list[Path]:
    """Secrets, what is about users, and what limits the node: others' hands must be off it all."""
    network = NetworkHome.of(home)
    secret = [home.identity, home.pseudonym_key, next_key_file(home), home.article_key]
    limits = [home.config, home.policy]
    kept = [one for log in (home.ledger, home.receipts) for one in home.root.glob(f"{log.name}*")]
    folders = [home.store, home.serving_keys, home.reports, home.erasures, home.approvals]
    folders += [home.locks, home.models]
    inside = [path for folder in folders for path in _files(folder)]
    return [
        *secret,
        *limits,
        *kept,
        home.training,
        *inside,
        *network.root.glob("*key*"),
        network.executor_secret,
    ]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _reach(host: str, port: int, trouble: type[TroubleError]) -> None:
    try:
        socket.create_connection((host.strip("[]"), port), timeout=PATIENCE).close()
    except OSError as error:
        found = in_words(error, f"no answer within {PATIENCE:.0f} s")
        raise trouble(f"{host}:{port}: {found}") from error
