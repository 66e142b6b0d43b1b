"""A node's secrets for one session, all from its 32-byte root, and the keys agreed with them.

Deleting the root wipes the session. A shared field element, not an X25519 key, is what Shamir
splits: any 32 bytes below the prime are a valid secret, and no clamping gets in the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from shared.secagg import kem, shamir
from shared.secagg.errors import WeakKeyError
from shared.secagg.hashing import derive, digest, pair
from shared.secagg.suites import Suite, expand


@dataclass(frozen=True, slots=True)
class MaskSecret:
    """z_m of one partner: the field element from which its mask keys follow.

    The coordinator rebuilds exactly this object for a partner that dropped after sharing.
    """

    value: int = field(repr=False)

    def agreement_key(self) -> X25519PrivateKey:
        """X25519 mask key."""
        return X25519PrivateKey.from_private_bytes(derive(shamir.encode(self.value), "mask-key"))

    def kem_key(self) -> MLKEM768PrivateKey:
        """ML-KEM mask key (hybrid)."""
        return kem.private_key(shamir.encode(self.value), "mask-kem")

    def wrap_key(self, context: bytes) -> bytes:
        """Key under which the ML-KEM secrets of this partner are wrapped (hybrid)."""
        return derive(shamir.encode(self.value), "wrap", context)


@dataclass(frozen=True, slots=True)
class SessionSecrets:
    """What follows from the root before the roster is known."""

    root: bytes = field(repr=False)
    context: bytes

    def channel_key(self) -> X25519PrivateKey:
        """X25519 key of the share channel, apart from the mask key: opening one opens no shares."""
        return X25519PrivateKey.from_private_bytes(derive(self.root, "channel-key", self.context))

    def channel_kem(self) -> MLKEM768PrivateKey:
        """ML-KEM key of the share channel (hybrid)."""
        return kem.private_key(self.root, "channel-kem", self.context)

    def mask_secret(self) -> MaskSecret:
        """z_m, a uniform field element."""
        return MaskSecret(shamir.element(derive(self.root, "mask-secret", self.context, length=48)))

    def nonce(self) -> bytes:
        """16 bytes that make the roster unpredictable."""
        return derive(self.root, "nonce", self.context, length=16)


@dataclass(frozen=True, slots=True)
class CohortSecrets:
    """What follows from the root once the roster is fixed: `context` is the cohort's."""

    root: bytes = field(repr=False)
    context: bytes

    def self_secret(self) -> int:
        """z_b, a uniform field element."""
        return shamir.element(derive(self.root, "self-secret", self.context, length=48))

    def coefficients(self, label: str, threshold: int) -> list[int]:
        """The t - 1 higher coefficients of a sharing polynomial."""
        key = derive(self.root, "polynomial", label.encode(), self.context)
        wide = expand(Suite.X25519_CHACHA20, key, shamir.WIDE_BYTES * (threshold - 1))
        return shamir.elements(wide)

    def tag_part(self) -> bytes:
        """Part of ρ that this partner contributes."""
        return derive(self.root, "rho", self.context)

    def noise_key(self) -> bytes:
        """Key of this partner's share of distributed noise."""
        return derive(self.root, "noise", self.context)

    def audit_salt(self) -> bytes:
        """Salt of the upload's commitment."""
        return derive(self.root, "audit-salt", self.context)


def exchange(key: X25519PrivateKey, public: bytes, partner: int) -> bytes:
    """X25519 (RFC 7748) shared secret.

    Raises
    ------
    WeakKeyError
        The partner's key has low order.
    """
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise WeakKeyError(f"partner {partner} sent a key of low order", partner=partner) from error


def channel(secret: bytes, context: bytes, sender: int, receiver: int) -> bytes:
    """AEAD key of the one envelope from `sender` to `receiver`."""
    return derive(secret, "channel", context, pair(sender, receiver))


def pair_seed(secret: bytes, context: bytes, first: int, second: int) -> bytes:
    """Mask seed of two partners, the same at both ends."""
    return derive(secret, "pair", context, pair(min(first, second), max(first, second)))


def self_seed(secret: int, context: bytes) -> bytes:
    """Self-mask seed of z_b."""
    return derive(shamir.encode(secret), "self", context)


def secret_commitment(secret: int, context: bytes, dealer: int) -> bytes:
    """Commitment to z_b; hiding because z_b is uniform."""
    return digest("self-secret", context, pair(dealer, dealer), shamir.encode(secret))


def share_commitment(label: str, share: bytes, context: bytes, dealer: int, holder: int) -> bytes:
    """Commitment to one share; hiding because a share is a uniform field element."""
    return digest(f"{label}-share", context, pair(dealer, holder), share)


def kem_commitment(secret: bytes, context: bytes, dealer: int, holder: int) -> bytes:
    """Commitment to the ML-KEM mask secret of an ordered pair (hybrid)."""
    return digest("kem-secret", context, pair(dealer, holder), secret)
