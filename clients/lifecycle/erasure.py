"""Erasure of a user: out of everything that the node keeps, with a signed receipt.

The opt-out comes first and is durable, so whatever happens afterwards the user is in no later
batch; an erasure that was interrupted is simply run again. What cannot be undone: models that were
trained before, until the next training, and files that the platform exported itself.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from clients.data.snapshot import now_text
from clients.data.snapshot_edit import remove_users
from clients.data.store import NodeStore
from clients.home import NodeHome
from shared.errors import DataError
from shared.files import read_json, write_atomically
from shared.hashing import digest
from shared.keyfile import load_identity, public_bytes

LABEL: Final = "isthmus erasure 1"
FIELDS: Final = frozenset(
    {"schema", "kind", "node", "time", "pseudonym", "removed", "training_files", "signature"}
)


class ErasureReceiptError(DataError):
    """A receipt of an erasure that is not what the node signed."""

    code = "DATA-207"


def forget(home: NodeHome, store: NodeStore, user: str) -> tuple[dict[str, Any], Path]:
    """Erase one user; returns the signed receipt and its file.

    Parameters
    ----------
    user
        Pseudonym.

    Raises
    ------
    DataError
        Run it again; the user is on the opt-out list already unless the state itself failed.
    """
    identity = load_identity(home.identity)
    with store.changing():
        removed = store.state.erase(bytes.fromhex(user), time.time())
        snapshot = store.snapshot_or_none()
        stored = 0 if snapshot is None else remove_users(home.store, snapshot, {user})
        files = _drop_training(home)
    receipt = _signed(
        identity,
        {
            "schema": 1,
            "kind": "erasure",
            "node": public_bytes(identity).hex(),
            "time": now_text(),
            "pseudonym": user,
            "removed": {"stored_events": stored} | {f"live_{n}": c for n, c in removed.items()},
            "training_files": files,
        },
    )
    path = home.erasures / f"{receipt['time'].replace(':', '')}-{user[:8]}.json"
    write_atomically(path, json.dumps(receipt, indent=1).encode(), private=True)
    return receipt, path


def verify_receipt(path: Path, node: bytes | None = None) -> dict[str, Any]:
    """Check a receipt offline.

    Parameters
    ----------
    node
        Public identity key of the node, learnt elsewhere; None trusts the one in the receipt.

    Raises
    ------
    ErasureReceiptError
    """
    try:
        receipt = read_json(path)
        if not isinstance(receipt, dict) or set(receipt) != FIELDS:
            raise ValueError("fields")
        key, signature = bytes.fromhex(receipt["node"]), bytes.fromhex(receipt["signature"])
        Ed25519PublicKey.from_public_bytes(key).verify(signature, _message(receipt))
    except (OSError, ValueError, TypeError, InvalidSignature) as error:
        raise ErasureReceiptError("not what a node signed", where=str(path)) from error
    if node is not None and node != key:
        raise ErasureReceiptError("signed by another node", where=str(path))
    return receipt


def _drop_training(home: NodeHome) -> list[str]:
    """Delete what training has derived from histories; it is made anew from the store."""
    dropped = [home.training, home.local_training]
    present = [path for path in dropped if path.exists()]
    for path in present:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return [path.name for path in present]


def _signed(identity: Ed25519PrivateKey, receipt: dict[str, Any]) -> dict[str, Any]:
    return receipt | {"signature": identity.sign(_message(receipt)).hex()}


def _message(receipt: Mapping[str, Any]) -> bytes:
    body = {name: value for name, value in receipt.items() if name != "signature"}
    return digest(LABEL, json.dumps(body, sort_keys=True, separators=(",", ":")).encode())
