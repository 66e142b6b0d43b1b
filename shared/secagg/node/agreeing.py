"""Stages 0 to 2 of a node: keys, shares, and the checks of everybody else's."""

from __future__ import annotations

from collections.abc import Mapping

from shared.secagg import kem, keys
from shared.secagg.codec import Kind, Record, by_sender, sign, split, verify
from shared.secagg.cohort import Cohort, build_roster, cohorts, split_roster
from shared.secagg.dealing import Deal, Opened, deal, open_envelope, redeal
from shared.secagg.errors import (
    BadDealerError,
    CohortTooSmallError,
    OwnAdvertError,
    RoundUsedError,
    UnknownPartnerError,
)
from shared.secagg.hashing import sha256
from shared.secagg.node.masking import Masking
from shared.secagg.node.seat import Seat, Stage
from shared.secagg.records import Advert, record_bytes, share_bytes


class Advertising(Stage):
    """Stage 0: nothing sent yet."""

    def __init__(self, seat: Seat) -> None:
        super().__init__()
        self._seat = seat

    def advertise(self) -> tuple[Sharing, bytes]:
        """Sign this session's public keys; returns an advert record.

        Raises
        ------
        RoundUsedError
            A second attempt in a policy with groups: it would deal new groups, and sums over
            overlapping groups can be subtracted.
        """
        self._check_unspent()
        seat = self._seat
        if seat.policy.groups > 1 and seat.session.attempt > 0:
            raise RoundUsedError("a round with groups has one attempt")
        context = seat.session.context(seat.policy)
        secrets = keys.SessionSecrets(seat.root, context)
        advert = _own_advert(seat, secrets)
        raw = sign(seat.identity, Kind.ADVERT, seat.policy, context, advert.encode())
        self._spend()
        return Sharing(seat, secrets, raw), raw


class Sharing(Stage):
    """Stage 1: waits for the roster."""

    def __init__(self, seat: Seat, secrets: keys.SessionSecrets, advert: bytes) -> None:
        super().__init__()
        self._seat, self._secrets, self._advert = seat, secrets, advert

    def share(self, roster: bytes) -> tuple[Receiving, bytes]:
        """Check the roster and deal shares of both mask secrets to its members.

        Returns
        -------
        tuple
            The next stage and one signed envelope for every member.

        Raises
        ------
        Refusal
            Anything wrong with the roster: SA-002 to SA-012.
        """
        self._check_unspent()
        cohort = self._cohort(roster)
        dealt = deal(cohort, self._seat.identity, self._seat.root, self._secrets)
        self._spend()
        return Receiving(self._seat, cohort, self._secrets, dealt), dealt.message

    def restored(self, roster: bytes, message: bytes, sent: Mapping[int, bytes]) -> Receiving:
        """The next stage as `share` left it, for a process that restarts."""
        cohort = self._cohort(roster)
        dealt = redeal(cohort, self._seat.identity, self._seat.root, self._secrets, message, sent)
        return Receiving(self._seat, cohort, self._secrets, dealt)

    def _cohort(self, roster: bytes) -> Cohort:
        policy, me = self._seat.policy, self._seat.identity.partner
        raw = split_roster(roster, policy)
        adverts, digest_ = build_roster(raw, policy, self._seat.session)
        if self._advert not in raw:
            raise OwnAdvertError("the roster lacks this node's advert or holds a changed one")
        parts = cohorts(adverts, digest_, policy, self._seat.session)
        return next(part for part in parts if me in part.adverts)


class Receiving(Stage):
    """Stage 2: waits for the other dealers' envelopes."""

    def __init__(
        self, seat: Seat, cohort: Cohort, secrets: keys.SessionSecrets, dealt: Deal
    ) -> None:
        super().__init__()
        self._seat, self._cohort, self._secrets, self._deal = seat, cohort, secrets, dealt

    @property
    def cohort(self) -> Cohort:
        """The cohort that this node has accepted."""
        return self._cohort

    @property
    def sent(self) -> Mapping[int, bytes]:
        """ML-KEM mask secrets by holder, which a snapshot must keep (hybrid)."""
        return self._deal.sent

    def accept(self, envelopes: bytes) -> tuple[Masking, bytes]:
        """Open every envelope and check its shares; sends nothing.

        Raises
        ------
        BadDealerError
            An envelope does not open or does not match its commitments; carries a signed complaint.
        CohortTooSmallError
            Fewer sharers than the survivor floor.
        """
        self._check_unspent()
        records = self._records(envelopes)
        opened = {self._seat.identity.partner: self._deal.own}
        for dealer, record in records.items():
            opened[dealer] = self._open(record)
        if len(opened) < self._cohort.survivor_floor:
            raise CohortTooSmallError(f"only {len(opened)} partners shared their keys")
        held = dict(sorted(opened.items()))
        self._spend()
        return Masking(self._seat, self._cohort, self._secrets, held), b""

    def _records(self, envelopes: bytes) -> dict[int, Record]:
        policy, me = self._seat.policy, self._seat.identity.partner
        size = share_bytes(policy)
        raw = split(envelopes, record_bytes(size), most=len(self._cohort.members))
        context = self._cohort.context
        records = by_sender(verify(item, Kind.SHARE, policy, context, size) for item in raw)
        for dealer in records:
            if dealer == me or dealer not in self._cohort.adverts:
                raise UnknownPartnerError(f"envelope from partner {dealer}", partner=dealer)
        return records

    def _open(self, record: Record) -> Opened:
        seat = self._seat
        try:
            return open_envelope(
                record,
                self._cohort,
                seat.identity.partner,
                self._secrets,
                self._deal.sent.get(record.sender, b""),
            )
        except BadDealerError as error:
            accused = record.sender.to_bytes(2, "little") + sha256(record.raw)
            error.complaint = sign(
                seat.identity, Kind.COMPLAINT, seat.policy, self._cohort.context, accused
            )
            raise


def _own_advert(seat: Seat, secrets: keys.SessionSecrets) -> Advert:
    channel_kem = mask_kem = b""
    if seat.policy.suite.hybrid:
        channel_kem = kem.public_bytes(secrets.channel_kem())
        mask_kem = kem.public_bytes(secrets.mask_secret().kem_key())
    return Advert(
        secrets.nonce(),
        seat.session.plan_hash,
        seat.session.model_hash,
        secrets.channel_key().public_key().public_bytes_raw(),
        secrets.mask_secret().agreement_key().public_key().public_bytes_raw(),
        channel_kem,
        mask_kem,
    )
