"""Dealing shares in signed envelopes, and opening them.

An envelope's shares are sealed with ChaCha20-Poly1305 under a key of its own (one message per key,
so the nonce is zero), together with everything in the envelope that is public. In the hybrid suites
the dealer encapsulates two ML-KEM secrets to each holder, for the envelope's key and for the
pairwise mask, and wraps the latter under a key that opens only if the dealer drops.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from shared.secagg import kem, keys, shamir
from shared.secagg.codec import Kind, Record, join, sign
from shared.secagg.cohort import Cohort
from shared.secagg.errors import BadDealerError, MalformedMessageError
from shared.secagg.identity import Identity
from shared.secagg.records import Advert, Envelope

NONCE: Final = bytes(12)


@dataclass(frozen=True, slots=True)
class Opened:
    """One dealer's shares at one holder.

    `kem_secret` joins both directions' ML-KEM mask secrets (64 bytes, lower id's first), and is
    empty outside the hybrid suites.
    """

    self_share: bytes = field(repr=False)
    mask_share: bytes = field(repr=False)
    tag_part: bytes = field(repr=False)
    kem_secret: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class Deal:
    """A dealer's message and what it keeps for itself.

    `sent` are its ML-KEM mask secrets by holder (hybrid; they cannot be derived again).
    """

    message: bytes
    own: Opened
    sent: Mapping[int, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Dealer:
    cohort: Cohort
    identity: Identity
    session: keys.SessionSecrets
    secrets: keys.CohortSecrets

    @property
    def me(self) -> int:
        return self.identity.partner

    @property
    def context(self) -> bytes:
        return self.cohort.context


def deal(cohort: Cohort, identity: Identity, root: bytes, session: keys.SessionSecrets) -> Deal:
    """Split both secrets of a node and seal a share of each for every member."""
    dealer = _Dealer(cohort, identity, session, keys.CohortSecrets(root, cohort.context))
    self_shares = _shares(dealer, "self", dealer.secrets.self_secret())
    mask_shares = _shares(dealer, "mask", session.mask_secret().value)
    records, sent = [], {}
    for holder in cohort.members:
        opened = Opened(self_shares[holder], mask_shares[holder], dealer.secrets.tag_part())
        raw, sent[holder] = _envelope(dealer, holder, opened)
        records.append(raw)
    own = Opened(self_shares[dealer.me], mask_shares[dealer.me], dealer.secrets.tag_part())
    return Deal(join(records) + _wrap(dealer, sent), own, sent)


def redeal(
    cohort: Cohort,
    identity: Identity,
    root: bytes,
    session: keys.SessionSecrets,
    message: bytes,
    sent: Mapping[int, bytes],
) -> Deal:
    """The deal that an earlier process made: its message and its ML-KEM secrets are given."""
    dealer = _Dealer(cohort, identity, session, keys.CohortSecrets(root, cohort.context))
    own = Opened(
        _shares(dealer, "self", dealer.secrets.self_secret())[dealer.me],
        _shares(dealer, "mask", session.mask_secret().value)[dealer.me],
        dealer.secrets.tag_part(),
    )
    return Deal(message, own, sent)


def open_envelope(
    record: Record, cohort: Cohort, me: int, session: keys.SessionSecrets, sent: bytes = b""
) -> Opened:
    """Open one verified share record addressed to `me`.

    Parameters
    ----------
    sent
        The ML-KEM mask secret that `me` sent to this dealer (hybrid).

    Raises
    ------
    BadDealerError
        The envelope does not open, or its content does not match its commitments.
    """
    dealer, policy = record.sender, cohort.policy
    envelope = Envelope.parse(record.payload, policy)
    if envelope.holder != me:
        raise MalformedMessageError(
            f"envelope from partner {dealer} is for partner {envelope.holder}", partner=dealer
        )
    agreed = keys.exchange(session.channel_key(), cohort.adverts[dealer].channel_key, dealer)
    received = b""
    if policy.suite.hybrid:
        agreed += session.channel_kem().decapsulate(envelope.channel_ciphertext)
        received = session.mask_secret().kem_key().decapsulate(envelope.mask_ciphertext)
        received_hash = keys.kem_commitment(received, cohort.context, dealer, me)
        _match(received_hash, envelope.kem_hash, dealer)
    plain = _unseal(keys.channel(agreed, cohort.context, dealer, me), envelope, cohort, dealer)
    opened = Opened(plain[:32], plain[32:64], plain[64:], _both(dealer, me, received, sent))
    _check_shares(opened, envelope, cohort.context, dealer, me)
    return opened


def _shares(dealer: _Dealer, label: str, secret: int) -> dict[int, bytes]:
    coefficients = dealer.secrets.coefficients(label, dealer.cohort.threshold)
    return shamir.split(secret, coefficients, dealer.cohort.members)


def _envelope(dealer: _Dealer, holder: int, shares: Opened) -> tuple[bytes, bytes]:
    """A signed envelope and the ML-KEM mask secret in it."""
    advert, context = dealer.cohort.adverts[holder], dealer.context
    agreed = keys.exchange(dealer.session.channel_key(), advert.channel_key, holder)
    channel_secret, channel_text, mask_secret, mask_text, kem_hash = _encapsulate(
        dealer, holder, advert
    )
    public = Envelope(
        holder,
        keys.secret_commitment(dealer.secrets.self_secret(), context, dealer.me),
        keys.share_commitment("self", shares.self_share, context, dealer.me, holder),
        keys.share_commitment("mask", shares.mask_share, context, dealer.me, holder),
        channel_text,
        mask_text,
        kem_hash,
        b"",
    ).public_part()
    key = keys.channel(agreed + channel_secret, context, dealer.me, holder)
    plain = shares.self_share + shares.mask_share + shares.tag_part
    sealed = ChaCha20Poly1305(key).encrypt(NONCE, plain, _associated(context, dealer.me, public))
    policy = dealer.cohort.policy
    return sign(dealer.identity, Kind.SHARE, policy, context, public + sealed), mask_secret


def _encapsulate(
    dealer: _Dealer, holder: int, advert: Advert
) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    if not dealer.cohort.policy.suite.hybrid:
        return b"", b"", b"", b"", b""
    channel_secret, channel_text = kem.encapsulate(advert.channel_kem, holder)
    mask_secret, mask_text = kem.encapsulate(advert.mask_kem, holder)
    commitment = keys.kem_commitment(mask_secret, dealer.context, dealer.me, holder)
    return channel_secret, channel_text, mask_secret, mask_text, commitment


def _wrap(dealer: _Dealer, sent: Mapping[int, bytes]) -> bytes:
    if not dealer.cohort.policy.suite.hybrid:
        return b""
    key = dealer.session.mask_secret().wrap_key(dealer.context)
    plain = b"".join(secret for holder, secret in sent.items() if holder != dealer.me)
    sealed = ChaCha20Poly1305(key).encrypt(NONCE, plain, dealer.context)
    return sign(dealer.identity, Kind.WRAP, dealer.cohort.policy, dealer.context, sealed)


def _unseal(key: bytes, envelope: Envelope, cohort: Cohort, dealer: int) -> bytes:
    associated = _associated(cohort.context, dealer, envelope.public_part())
    try:
        return ChaCha20Poly1305(key).decrypt(NONCE, envelope.sealed, associated)
    except InvalidTag as error:
        raise BadDealerError(
            f"the envelope of partner {dealer} does not open", partner=dealer
        ) from error


def _check_shares(opened: Opened, envelope: Envelope, context: bytes, dealer: int, me: int) -> None:
    for label, share, commitment in (
        ("self", opened.self_share, envelope.self_hash),
        ("mask", opened.mask_share, envelope.mask_hash),
    ):
        if shamir.decode(share) is None:
            raise BadDealerError(f"partner {dealer} dealt no field element", partner=dealer)
        _match(keys.share_commitment(label, share, context, dealer, me), commitment, dealer)


def _match(found: bytes, expected: bytes, dealer: int) -> None:
    if not hmac.compare_digest(found, expected):
        raise BadDealerError(
            f"partner {dealer} dealt shares that do not match its commitments", partner=dealer
        )


def _both(dealer: int, me: int, received: bytes, sent: bytes) -> bytes:
    return received + sent if dealer < me else sent + received


def _associated(context: bytes, dealer: int, public: bytes) -> bytes:
    return context + dealer.to_bytes(2, "little") + public
