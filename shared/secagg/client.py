"""A node's side of the protocol: one class per stage, each with one transition, no I/O.

::

    Advertising -> Sharing -> Receiving -> Masking -> Surviving -> Unmasking -> Verifying
        |            |           |            |           |            |            |
      advert      envelopes      -         upload     signature      shares     checked sum

Bytes go in, the next stage and bytes come out, or a `Refusal` is raised and nothing leaves. A stage
can be used once. Durable locks stand outside, in `Participant`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.secagg import kem, keys, tags
from shared.secagg.codec import (
    BITMAP_BYTES,
    Kind,
    Record,
    bitmap,
    by_sender,
    members,
    read_frame,
    sign,
    split,
    verify,
)
from shared.secagg.cohort import Cohort, build_roster, cohorts, split_roster
from shared.secagg.dealing import Deal, Opened, deal, open_envelope, redeal
from shared.secagg.errors import (
    BadDealerError,
    CohortTooSmallError,
    ForgedSumError,
    OwnAdvertError,
    StageSpentError,
    SurvivorsDisagreeError,
    SurvivorSetError,
    TooFewSurvivorsError,
    UnknownPartnerError,
    UploadError,
)
from shared.secagg.fixed_point import check_update, dequantise, quantise, ring_dtype
from shared.secagg.hashing import digest, sha256
from shared.secagg.identity import Identity
from shared.secagg.masks import Ring, add_masks, stream_keys
from shared.secagg.policy import Session, SessionPolicy
from shared.secagg.records import (
    SURVIVORS_BYTES,
    Advert,
    UploadHeader,
    record_bytes,
    result_bytes,
    share_bytes,
)
from shared.secagg.words import WordBlock, add_word_masks, check_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What a node knows before the first message.

    `root` are 32 secret bytes from the operating system, fresh for every attempt; everything secret
    follows from them, so they are all a restarted process needs besides the received messages.
    """

    policy: SessionPolicy
    session: Session
    identity: Identity
    root: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A masked vector and its signed header."""

    header: bytes
    vector: Ring


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSum:
    """A sum whose tag was checked by this node.

    Attributes
    ----------
    vector
        (d,) float64 sum of the survivors' clipped updates.
    words
        Sums of the 64-bit words.
    survivors
        Partner ids in the sum.
    """

    vector: NDArray[np.float64]
    words: tuple[int, ...]
    survivors: tuple[int, ...]

    def mean(self) -> NDArray[np.float64]:
        """(d,) sum divided by the number of survivors."""
        return self.vector / len(self.survivors)


class _Stage:
    """One transition, once; a refused message leaves the stage as it was."""

    def __init__(self) -> None:
        self._spent = False

    def _check_unspent(self) -> None:
        if self._spent:
            raise StageSpentError(f"{type(self).__name__} has already made its transition")

    def _spend(self) -> None:
        self._spent = True


class Advertising(_Stage):
    """Stage 0: nothing sent yet."""

    def __init__(self, seat: Seat) -> None:
        super().__init__()
        self._seat = seat

    def advertise(self) -> tuple[Sharing, bytes]:
        """Sign this session's public keys; returns an advert record."""
        self._check_unspent()
        seat = self._seat
        context = seat.session.context(seat.policy)
        secrets = keys.SessionSecrets(seat.root, context)
        advert = _own_advert(seat, secrets)
        raw = sign(seat.identity, Kind.ADVERT, seat.policy, context, advert.encode())
        self._spend()
        return Sharing(seat, secrets, raw), raw


class Sharing(_Stage):
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


class Receiving(_Stage):
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


class Masking(_Stage):
    """Stage 3: holds shares of every sharer, ready to mask."""

    def __init__(
        self,
        seat: Seat,
        cohort: Cohort,
        secrets: keys.SessionSecrets,
        held: Mapping[int, Opened],
    ) -> None:
        super().__init__()
        self._seat, self._cohort, self._secrets, self._held = seat, cohort, secrets, held
        self._rho = tags.joint_secret(
            cohort.context, {dealer: share.tag_part for dealer, share in held.items()}
        )

    def mask(
        self,
        update: NDArray[Any],
        words: Sequence[int] = (),
        *,
        out: Ring | None = None,
        threads: int = 1,
    ) -> tuple[Surviving, Upload]:
        """Quantise and mask an update.

        Parameters
        ----------
        update
            (d,) float32 or float64; clipped to the policy's range.
        words
            One integer for each of the policy's words.
        out
            (d,) ring array to write to, allocated if None. With a 32-bit ring and a float32 update,
            ``update.view("<u4")`` masks in place.
        threads
            Coordinate ranges masked at the same time.

        Raises
        ------
        UnusableUpdateError, WordRangeError
            Before anything is written.
        """
        self._check_unspent()
        policy = self._seat.policy
        check_update(update, policy.length)
        check_words(words, policy)
        vector = np.empty(policy.length, ring_dtype(policy.ring_bits)) if out is None else out
        if vector.dtype != ring_dtype(policy.ring_bits) or vector.shape != (policy.length,):
            raise UploadError(f"out is {vector.dtype}{vector.shape}")
        quantise(update, clip=policy.clip, limit=policy.limit, bits=policy.ring_bits, out=vector)
        commitment = self._commitment(vector)
        block = self._tagged(vector, words)
        masked = self._mask(vector, block, threads)
        header = UploadHeader(
            bitmap(policy, self._held), sha256(vector), commitment, masked.encode()
        )
        raw = sign(self._seat.identity, Kind.UPLOAD, policy, self._cohort.context, header.encode())
        self._spend()
        return self.uploaded(), Upload(header=raw, vector=vector)

    def uploaded(self) -> Surviving:
        """The next stage without masking again, for a process that restarts after its upload."""
        return Surviving(self._seat, self._cohort, self._held, self._rho)

    def renewed(self) -> Masking:
        """The same stage unspent, to send the same upload again."""
        return Masking(self._seat, self._cohort, self._secrets, self._held)

    def audit_salt(self) -> bytes:
        """The 32 bytes that open the upload's commitment to an auditor."""
        return keys.CohortSecrets(self._seat.root, self._cohort.context).audit_salt()

    def _commitment(self, vector: Ring) -> bytes:
        if not self._seat.policy.audited:
            return bytes(32)
        return update_commitment(self.audit_salt(), vector)

    def _tagged(self, vector: Ring, words: Sequence[int]) -> WordBlock:
        policy = self._seat.policy
        block = tags.tag(vector, words, self._rho, policy)
        return block.plus(tags.pads([self._seat.identity.partner], self._rho, policy))

    def _mask(self, vector: Ring, block: WordBlock, threads: int) -> WordBlock:
        plus, minus = self._streams()
        policy = self._seat.policy
        add_masks(
            vector,
            [key for key, _ in plus],
            [key for key, _ in minus],
            suite=policy.suite,
            threads=threads,
        )
        return add_word_masks(block, policy, [key for _, key in plus], [key for _, key in minus])

    def _streams(self) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
        """Stream keys to add and to subtract: y = q + self + Σ_{v>u} pair - Σ_{v<u} pair."""
        me, context = self._seat.identity.partner, self._cohort.context
        secret = keys.CohortSecrets(self._seat.root, context).self_secret()
        plus = [stream_keys(keys.self_seed(secret, context))]
        minus: list[tuple[bytes, bytes]] = []
        mask_key = self._secrets.mask_secret().agreement_key()
        for peer, share in self._held.items():
            if peer == me:
                continue
            agreed = keys.exchange(mask_key, self._cohort.adverts[peer].mask_key, peer)
            seed = keys.pair_seed(agreed + share.kem_secret, context, me, peer)
            (plus if peer > me else minus).append(stream_keys(seed))
        return plus, minus


class Surviving(_Stage):
    """Stage 4: uploaded, waits for the survivor set."""

    def __init__(self, seat: Seat, cohort: Cohort, held: Mapping[int, Opened], rho: bytes) -> None:
        super().__init__()
        self._seat, self._cohort, self._held, self._rho = seat, cohort, held, rho

    def sign_survivors(self, message: bytes) -> tuple[Unmasking, bytes]:
        """Sign the survivor set, so that no two sets can both be opened.

        Raises
        ------
        SurvivorSetError, TooFewSurvivorsError
            The set is not of sharers, leaves this node out, or is below the floor.
        """
        self._check_unspent()
        policy, context = self._seat.policy, self._cohort.context
        bits = read_frame(message, Kind.SURVIVOR_SET, policy, context, BITMAP_BYTES)
        survivors = self._checked(members(policy, bits))
        payload = bitmap(policy, self._held) + bits
        raw = sign(self._seat.identity, Kind.SURVIVORS, policy, context, payload)
        self._spend()
        return Unmasking(self._seat, self._cohort, self._held, self._rho, survivors), raw

    def _checked(self, survivors: tuple[int, ...]) -> tuple[int, ...]:
        strangers = set(survivors) - set(self._held)
        if strangers:
            raise SurvivorSetError(f"partners {sorted(strangers)} shared no keys")
        if self._seat.identity.partner not in survivors:
            raise SurvivorSetError("this node's upload is left out of the survivor set")
        if len(survivors) < self._cohort.survivor_floor:
            raise TooFewSurvivorsError(
                f"{len(survivors)} survivors, the policy demands {self._cohort.survivor_floor}"
            )
        return survivors


class Unmasking(_Stage):
    """Stage 5: signed one survivor set, waits for the others' signatures on the same set."""

    def __init__(
        self,
        seat: Seat,
        cohort: Cohort,
        held: Mapping[int, Opened],
        rho: bytes,
        survivors: tuple[int, ...],
    ) -> None:
        super().__init__()
        self._seat, self._cohort, self._held, self._rho = seat, cohort, held, rho
        self._survivors = survivors

    def unmask(self, signatures: bytes) -> tuple[Verifying, bytes]:
        """Reveal one share for each sharer: of a survivor's self-mask, of any other's mask key.

        Raises
        ------
        SurvivorsDisagreeError
            Fewer than t survivors signed this very set.
        """
        self._check_unspent()
        policy = self._seat.policy
        bits = bitmap(policy, self._survivors)
        self._check_signatures(signatures, bitmap(policy, self._held) + bits)
        shares = b"".join(
            share.self_share if dealer in self._survivors else share.mask_share
            for dealer, share in self._held.items()
        )
        raw = sign(self._seat.identity, Kind.REVEAL, policy, self._cohort.context, bits + shares)
        self._spend()
        return Verifying(self._seat, self._cohort, self._rho, self._survivors), raw

    def _check_signatures(self, signatures: bytes, payload: bytes) -> None:
        policy, context = self._seat.policy, self._cohort.context
        raw = split(signatures, record_bytes(SURVIVORS_BYTES), most=len(self._held))
        records = by_sender(
            verify(item, Kind.SURVIVORS, policy, context, SURVIVORS_BYTES) for item in raw
        )
        for sender, record in records.items():
            if record.payload != payload:
                raise SurvivorsDisagreeError(
                    f"partner {sender} signed another survivor set", partner=sender
                )
        signers = (set(records) | {self._seat.identity.partner}) & set(self._survivors)
        if len(signers) < self._cohort.threshold:
            raise SurvivorsDisagreeError(
                f"{len(signers)} signatures on this survivor set, {self._cohort.threshold} needed"
            )


class Verifying(_Stage):
    """Stage 6: shares revealed, waits for the sum."""

    def __init__(self, seat: Seat, cohort: Cohort, rho: bytes, survivors: tuple[int, ...]) -> None:
        super().__init__()
        self._seat, self._cohort, self._rho, self._survivors = seat, cohort, rho, survivors

    def verify(self, result: bytes, ring_sum: Ring) -> tuple[None, VerifiedSum]:
        """Check the published sum against its tag.

        Parameters
        ----------
        result
            The coordinator's result frame.
        ring_sum
            (d,) sum as ring elements.

        Raises
        ------
        ForgedSumError
            The tag does not fit, or the survivors are not those that this node signed. The stage is
            spent even so: every further try would be another chance to guess.
        """
        self._check_unspent()
        self._spend()
        policy = self._seat.policy
        payload = read_frame(
            result, Kind.RESULT, policy, self._cohort.context, result_bytes(policy)
        )
        if payload[:BITMAP_BYTES] != bitmap(policy, self._survivors):
            raise ForgedSumError("the sum is of other partners than this node signed for")
        if ring_sum.dtype != ring_dtype(policy.ring_bits) or ring_sum.shape != (policy.length,):
            raise ForgedSumError(f"the sum is {ring_sum.dtype}{ring_sum.shape}")
        claimed = WordBlock.parse(payload[BITMAP_BYTES:], policy)
        self._check_tag(claimed, ring_sum)
        vector = dequantise(ring_sum, clip=policy.clip, limit=policy.limit)
        return None, VerifiedSum(
            vector=vector, words=claimed.signed_words(), survivors=self._survivors
        )

    def _check_tag(self, claimed: WordBlock, ring_sum: Ring) -> None:
        policy = self._seat.policy
        expected = tags.tag(ring_sum, claimed.signed_words(), self._rho, policy).plus(
            tags.pads(self._survivors, self._rho, policy)
        )
        if expected != claimed:
            raise ForgedSumError("the published sum does not match its tag")


def update_commitment(salt: bytes, quantised: Ring) -> bytes:
    """Commitment to a quantised update: SHA-256 over a 32-byte salt and the ring elements."""
    return sha256(quantised, head=digest("update", salt))


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
