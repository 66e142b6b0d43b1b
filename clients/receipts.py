"""The receipt log: every message that left this node, signed, chained, on disk before it leaves.

One JSON line a message: time, run, round, attempt, stage, bytes, SHA-256 of what travels, and the
epsilon that all messages so far have cost. Lines are chained by their hashes and signed with the
node's identity, so that an exported log can be checked by anybody who has the node's public key
(``tools/verify_receipts.py``). A message that cannot be recorded is not sent. The one exception is
the constant error code that says so; it holds nothing of the node's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from clients.identity import public_bytes
from shared.errors import FederationError, in_words
from shared.files import write_atomically
from shared.hashing import digest
from shared.privacy.errors import LedgerCorruptError
from shared.privacy.journal import Entry, Journal

FORMAT: Final = 1
LABEL: Final = "isthmus receipt 1"
LOOK_BACK: Final = 256
"""Lines among which a message that is sent again is looked for; a round has a dozen."""


class ReceiptLogError(FederationError):
    """The receipt log cannot be written or was altered; nothing may leave until it is whole."""

    code = "FED-200"
    default_remedy = "free the disk; an altered log is moved away only by a person who knows why"


class ForeignReceiptLogError(FederationError):
    """The receipt log belongs to another identity or is of an unknown format."""

    code = "FED-201"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message that is about to leave.

    Attributes
    ----------
    run
        Id of the run (hex); empty where a refusal precedes it.
    round, attempt
        Numbers of the round and of the attempt at it; 0 where a refusal precedes them.
    stage
        Type of the message answered.
    size
        Bytes of payload.
    sha256
        `shared.wire.Parcel.digest` of the payload, or of the error code (hex).
    refusal
        Error code, if that is all that leaves.
    epsilon
        Cost of everything sent so far, this message included; None if it costs nothing more than
        the messages before it.
    """

    run: str
    round: int
    attempt: int
    stage: str
    size: int
    sha256: str
    refusal: str | None = None
    epsilon: float | None = None

    def key(self) -> tuple[object, ...]:
        """What two sendings of the same message have in common."""
        return self.run, self.round, self.attempt, self.stage, self.sha256


class ReceiptLog:
    """The one receipt log of a node; several processes may write to it.

    Parameters
    ----------
    path
        File of JSON lines, created with its first line.
    identity
        Ed25519 key of the node.
    """

    def __init__(self, path: Path, identity: Ed25519PrivateKey) -> None:
        self.path, self._identity = path, identity
        self._journal = Journal(path)

    def record(self, sent: Sent) -> None:
        """Write one receipt durably; only then may the message leave.

        Raises
        ------
        ReceiptLogError, ForeignReceiptLogError
            Nothing may leave.
        """
        try:
            with self._journal.locked() as entries:
                if not entries:
                    self._append(self._opening())
                self._check_owner(entries)
                again = any(_key(entry) == sent.key() for entry in entries[-LOOK_BACK:])
                epsilon = entries[-1].get("epsilon") if sent.epsilon is None else sent.epsilon
                self._append({"kind": "sent", **_fields(sent), "epsilon": epsilon, "again": again})
        except (OSError, LedgerCorruptError) as error:
            found = in_words(error, "the log was altered or is damaged")
            raise ReceiptLogError(found, where=str(self.path)) from error

    def entries(self) -> tuple[Entry, ...]:
        """All lines, the opening one included.

        Raises
        ------
        ReceiptLogError
        """
        if not self.path.exists():
            return ()
        try:
            with self._journal.locked() as entries:
                return tuple(entries)
        except (OSError, LedgerCorruptError) as error:
            raise ReceiptLogError(str(error), where=str(self.path)) from error

    def export(self, target: Path) -> int:
        """Copy the log to `target` for an auditor; returns the number of lines."""
        entries = self.entries()
        lines = [json.dumps(entry, sort_keys=True, allow_nan=False) for entry in entries]
        write_atomically(target, "".join(f"{line}\n" for line in lines).encode())
        return len(lines)

    def _append(self, fields: Entry) -> None:
        body = {**fields, "time": _now()}
        signed = {**body, "seq": self._journal.length, "previous": self._journal.head}
        self._journal.append({**body, "signature": self._identity.sign(_to_sign(signed)).hex()})

    def _opening(self) -> Entry:
        return {"kind": "open", "format": FORMAT, "node": public_bytes(self._identity).hex()}

    def _check_owner(self, entries: Iterable[Entry]) -> None:
        opening = next(iter(entries))
        for name, value in self._opening().items():
            if opening.get(name) != value:
                raise ForeignReceiptLogError(
                    f"the log says {name} = {opening.get(name)!r}, not {value!r}",
                    where=str(self.path),
                )


def check_signatures(entries: Iterable[Entry]) -> str | None:
    """What is wrong with the signatures of a log, in a sentence; None if nothing is."""
    key: Ed25519PublicKey | None = None
    for entry in entries:
        if key is None:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(entry["node"])))
        body = {name: value for name, value in entry.items() if name not in ("hash", "signature")}
        try:
            key.verify(bytes.fromhex(str(entry["signature"])), _to_sign(body))
        except (InvalidSignature, ValueError, KeyError):
            return f"line {entry['seq'] + 1} is not signed by the node"
    return None


def _to_sign(body: Entry) -> bytes:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return digest(LABEL, text.encode())


def _fields(sent: Sent) -> dict[str, Any]:
    return {
        "run": sent.run,
        "round": sent.round,
        "attempt": sent.attempt,
        "stage": sent.stage,
        "bytes": sent.size,
        "sha256": sent.sha256,
        "refusal": sent.refusal,
    }


def _key(entry: Entry) -> tuple[object, ...]:
    return tuple(entry.get(name) for name in ("run", "round", "attempt", "stage", "sha256"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
