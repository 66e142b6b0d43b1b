"""The node's privacy ledger under the node's own terms."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.home import NodeHome
from clients.identity import load_identity, public_bytes
from clients.policy import NodePolicy, read_policy, write_policy
from shared.config import parse
from shared.privacy.accounting import Budget, default_delta
from shared.privacy.ledger import Ledger, stated_lifetime


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


def change_lifetime(home: NodeHome, cap: float) -> None:
    """Let the node spend `cap` over its whole life from now on: policy and ledger say so.

    A decision of the platform, so it is a line of the ledger. One that was interrupted, or a
    policy that was edited by hand, is repaired by calling it again. A node that is running takes
    the policy up before its next message.

    Raises
    ------
    NotJoinedError, InvalidValueError, LedgerMismatchError, LedgerCorruptError
    """
    values = read_policy(home).model_dump(mode="json") | {"lifetime_epsilon": cap}
    policy = parse(NodePolicy, values, where="isthmus-node privacy --lifetime-epsilon")
    if home.ledger.exists():
        stated = policy.model_copy(update={"lifetime_epsilon": stated_lifetime(home.ledger)})
        ledger = open_ledger(home, load_identity(home.identity), stated)
        if cap != stated.lifetime_epsilon:
            ledger.amend_lifetime(cap)
    write_policy(home, policy)
