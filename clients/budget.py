"""The node's privacy ledger under the node's own terms."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.home import NodeHome
from clients.identity import load_identity, public_bytes
from clients.policy import NodePolicy, read_policy
from shared.privacy.accounting import Budget, default_delta
from shared.privacy.ledger import Ledger


def open_ledger(home: NodeHome, identity: Ed25519PrivateKey, policy: NodePolicy) -> Ledger:
    """The ledger of the node in `home`; created with its first use.

    Raises
    ------
    LedgerMismatchError, LedgerCorruptError
    """
    delta = default_delta(policy.max_declared_users)
    lifetime = Budget(epsilon=policy.lifetime_epsilon, delta=delta)
    home.root.mkdir(parents=True, exist_ok=True)
    return Ledger(home.ledger, node=public_bytes(identity).hex()[:16], lifetime=lifetime)


def ledger_in(home: NodeHome) -> Ledger:
    """The ledger of a node directory, from its own identity and policy."""
    return open_ledger(home, load_identity(home.identity), read_policy(home))
