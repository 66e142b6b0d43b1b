"""The coordinator's side: one class per stage, no I/O, no secrets of its own.

::

    CollectingAdverts -> CollectingShares -> CollectingUploads -> CollectingSignatures
                                                    -> CollectingReveals -> Aggregate

`receive` takes one partner's message. It raises a `Refusal` that names the culprit and leaves the
stage as it was, so the round goes on without that partner. `close` ends the stage and returns the
next one and what to send to whom, or a `Refusal` if too few are left. A stage holds nothing but
received messages, so a restarted coordinator replays them from its journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shared.secagg.bounds import check_sum
from shared.secagg.codec import (
    BITMAP_BYTES,
    Kind,
    Record,
    bitmap,
    frame,
    join,
    split,
    verify,
)
from shared.secagg.cohort import Cohort, build_roster, check_advert, cohorts
from shared.secagg.errors import (
    CohortTooSmallError,
    InconsistentDealerError,
    MalformedMessageError,
    OutOfTurnError,
    StageSpentError,
    SurvivorsDisagreeError,
    TooFewSharesError,
    TooFewSurvivorsError,
    UploadError,
    WrongShareError,
)
from shared.secagg.fixed_point import dequantise, ring_dtype
from shared.secagg.hashing import sha256
from shared.secagg.masks import Ring, add_masks
from shared.secagg.policy import Session, SessionPolicy
from shared.secagg.records import (
    COMPLAINT_BYTES,
    SURVIVORS_BYTES,
    Envelope,
    UploadHeader,
    record_bytes,
    reveal_bytes,
    share_bytes,
    upload_bytes,
    wrap_bytes,
)
from shared.secagg.shamir import SHARE_BYTES
from shared.secagg.unmasking import SecretKind, mask_streams, reconstruct
from shared.secagg.words import WordBlock, add_word_masks, zeros

Outgoing = dict[int, bytes]
"""Message for each partner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """The opened sum of one cohort.

    Attributes
    ----------
    ring_sum
        (d,) exact integer sum as ring elements; what nodes need to verify, with `message`.
    words
        Sums of the 64-bit words.
    survivors
        Partner ids in the sum.
    message
        Result frame for the nodes: survivors, words, tags.
    """

    policy: SessionPolicy
    ring_sum: Ring
    words: tuple[int, ...]
    survivors: tuple[int, ...]
    message: bytes

    def sum(self, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """(d,) sum of the survivors' clipped updates."""
        return dequantise(
            self.ring_sum, clip=self.policy.clip, limit=self.policy.limit, dtype=dtype
        )

    def mean(self, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """(d,) sum divided by the number of survivors."""
        total = self.sum(dtype)
        total /= len(self.survivors)
        return total


class _Stage:
    """Keeps one message of each partner; a repeated one is ignored, a different one refused."""

    def __init__(self, expected: Sequence[int]) -> None:
        self._expected = tuple(expected)
        self._raw: dict[int, bytes] = {}
        self._spent = False

    @property
    def expected(self) -> tuple[int, ...]:
        """Partners whose message this stage waits for."""
        return self._expected

    @property
    def received(self) -> tuple[int, ...]:
        """Partners whose message was accepted."""
        return tuple(sorted(self._raw))

    def _is_repeat(self, partner: int, raw: bytes) -> bool:
        if self._spent:
            raise StageSpentError(f"{type(self).__name__} is closed", partner=partner)
        if partner not in self._expected:
            raise OutOfTurnError(f"partner {partner} is not expected here", partner=partner)
        if partner in self._raw and self._raw[partner] != raw:
            raise OutOfTurnError(f"partner {partner} sent a second message", partner=partner)
        return partner in self._raw

    def _close(self) -> None:
        if self._spent:
            raise StageSpentError(f"{type(self).__name__} is closed")
        self._spent = True


class CollectingAdverts(_Stage):
    """Stage 0: one advert from each partner."""

    def __init__(self, policy: SessionPolicy, session: Session) -> None:
        super().__init__(policy.ids)
        self._policy, self._session = policy, session

    def receive(self, partner: int, raw: bytes) -> None:
        """Check and keep an advert."""
        if not self._is_repeat(partner, raw):
            record, _ = check_advert(raw, self._policy, self._session)
            _check_sender(record, partner)
            self._raw[partner] = raw

    def close(self) -> tuple[tuple[CollectingShares, ...], Outgoing]:
        """Fix the roster; returns one next stage for each group (one without groups).

        Raises
        ------
        CohortTooSmallError
            Fewer adverts than the survivor floor.
        """
        self._close()
        raw = [self._raw[partner] for partner in self.received]
        adverts, digest = build_roster(raw, self._policy, self._session)
        stages = tuple(
            CollectingShares(cohort)
            for cohort in cohorts(adverts, digest, self._policy, self._session)
        )
        return stages, dict.fromkeys(adverts, join(raw))


@dataclass(frozen=True, slots=True)
class _Dealt:
    """One dealer's envelopes by holder, as received, and its wrapped ML-KEM secrets."""

    records: Mapping[int, Record]
    envelopes: Mapping[int, Envelope]
    wrap: bytes


class CollectingShares(_Stage):
    """Stage 1: envelopes for every member from each member."""

    def __init__(self, cohort: Cohort) -> None:
        super().__init__(cohort.members)
        self._cohort = cohort
        self._dealt: dict[int, _Dealt] = {}

    def receive(self, partner: int, raw: bytes) -> None:
        """Check and keep a dealer's envelopes."""
        if not self._is_repeat(partner, raw):
            self._dealt[partner] = self._parse(partner, raw)
            self._raw[partner] = raw

    def close(self) -> tuple[CollectingUploads, Outgoing]:
        """Relay to every sharer the envelopes that the other sharers addressed to it.

        Raises
        ------
        CohortTooSmallError
            Fewer sharers than the survivor floor.
        """
        self._close()
        sharers = self.received
        if len(sharers) < self._cohort.survivor_floor:
            raise CohortTooSmallError(f"only {len(sharers)} partners shared their keys")
        outgoing = {
            holder: join(
                self._dealt[dealer].records[holder].raw for dealer in sharers if dealer != holder
            )
            for holder in sharers
        }
        dealt = {dealer: self._dealt[dealer] for dealer in sharers}
        return CollectingUploads(self._cohort, dealt), outgoing

    def _parse(self, partner: int, raw: bytes) -> _Dealt:
        policy, size = self._cohort.policy, share_bytes(self._cohort.policy)
        wrap_size = record_bytes(wrap_bytes(len(self._expected))) if policy.suite.hybrid else 0
        cut = len(raw) - wrap_size
        items = split(raw[: max(cut, 0)], record_bytes(size), most=len(self._expected))
        context = self._cohort.context
        records = [verify(item, Kind.SHARE, policy, context, size) for item in items]
        for record in records:
            _check_sender(record, partner)
        envelopes = [Envelope.parse(record.payload, policy) for record in records]
        self._check_envelopes(partner, envelopes)
        wrap = b""
        if wrap_size:
            record = verify(raw[cut:], Kind.WRAP, policy, context, wrap_bytes(len(self._expected)))
            _check_sender(record, partner)
            wrap = record.payload
        pairs = zip(self._expected, records, strict=True)
        return _Dealt(dict(pairs), {envelope.holder: envelope for envelope in envelopes}, wrap)

    def _check_envelopes(self, partner: int, envelopes: Sequence[Envelope]) -> None:
        if tuple(envelope.holder for envelope in envelopes) != self._expected:
            raise MalformedMessageError(
                f"partner {partner} did not deal to every member once", partner=partner
            )
        if len({envelope.secret_hash for envelope in envelopes}) != 1:
            raise InconsistentDealerError(
                f"partner {partner} committed to several secrets", partner=partner
            )


class CollectingUploads(_Stage):
    """Stage 2: masked vectors, added up as they come."""

    def __init__(self, cohort: Cohort, dealt: Mapping[int, _Dealt]) -> None:
        super().__init__(tuple(dealt))
        self._cohort, self._dealt = cohort, dealt
        policy = cohort.policy
        self._sharers = bitmap(policy, dealt)
        self._sum: Ring = np.zeros(policy.length, ring_dtype(policy.ring_bits))
        self._words = zeros(policy)
        self._complaints: dict[int, int] = {}

    @property
    def complaints(self) -> Mapping[int, int]:
        """Holder to the dealer that it accuses of a bad envelope; one of the two is at fault."""
        return dict(self._complaints)

    def receive(self, partner: int, header: bytes, vector: Ring | bytes | memoryview) -> None:
        """Check an upload against its signed header and add it to the sum.

        Parameters
        ----------
        vector
            The masked vector, as an array (also memory-mapped) or its bytes.

        Raises
        ------
        UploadError
            The vector is not what was signed; nothing was added.
        """
        if self._is_repeat(partner, header):
            return
        policy = self._cohort.policy
        record = verify(header, Kind.UPLOAD, policy, self._cohort.context, upload_bytes(policy))
        _check_sender(record, partner)
        parsed = UploadHeader.parse(record.payload, policy)
        words = self._check(partner, parsed, vector)
        np.add(self._sum, words, out=self._sum)
        self._words = self._words.plus(WordBlock.parse(parsed.words, policy))
        self._raw[partner] = header

    def complain(self, partner: int, raw: bytes) -> None:
        """Record a holder's signed complaint about a dealer; it counts as dropped from here on."""
        if self._is_repeat(partner, raw):
            return
        record = verify(
            raw, Kind.COMPLAINT, self._cohort.policy, self._cohort.context, COMPLAINT_BYTES
        )
        _check_sender(record, partner)
        accused = int.from_bytes(record.payload[:2], "little")
        dealt = self._dealt.get(accused)
        if dealt is None or sha256(dealt.records[partner].raw) != record.payload[2:]:
            raise MalformedMessageError(
                f"partner {partner} complains about an envelope it did not get", partner=partner
            )
        self._complaints[partner] = accused

    def close(self) -> tuple[CollectingSignatures, Outgoing]:
        """Name the survivors to each of them.

        Raises
        ------
        TooFewSurvivorsError
            Fewer uploads than the survivor floor.
        """
        self._close()
        survivors, cohort = self.received, self._cohort
        if len(survivors) < cohort.survivor_floor:
            raise TooFewSurvivorsError(
                f"{len(survivors)} uploads, the policy demands {cohort.survivor_floor}"
            )
        bits = bitmap(cohort.policy, survivors)
        message = frame(Kind.SURVIVOR_SET, cohort.policy, cohort.context, bits)
        opening = _Opening(cohort, self._dealt, survivors, self._sum, self._words)
        return CollectingSignatures(opening), dict.fromkeys(survivors, message)

    def _check(self, partner: int, header: UploadHeader, vector: Ring | bytes | memoryview) -> Ring:
        policy = self._cohort.policy
        if header.sharers != self._sharers:
            raise UploadError(f"partner {partner} masked for other sharers", partner=partner)
        if not policy.audited and header.commitment != bytes(len(header.commitment)):
            raise UploadError(f"partner {partner} sent an unasked commitment", partner=partner)
        words = _as_ring(vector, policy, partner)
        if sha256(words) != header.vector_digest:
            raise UploadError(
                f"the vector of partner {partner} is not the one it signed", partner=partner
            )
        return words


@dataclass(frozen=True, slots=True)
class _Opening:
    """A masked sum on its way to being opened."""

    cohort: Cohort
    dealt: Mapping[int, _Dealt]
    survivors: tuple[int, ...]
    ring_sum: Ring
    words: WordBlock

    @property
    def survivor_bits(self) -> bytes:
        return bitmap(self.cohort.policy, self.survivors)

    @property
    def sharer_bits(self) -> bytes:
        return bitmap(self.cohort.policy, self.dealt)


class CollectingSignatures(_Stage):
    """Stage 3: every survivor's signature on one survivor set."""

    def __init__(self, opening: _Opening) -> None:
        super().__init__(opening.survivors)
        self._opening = opening

    def receive(self, partner: int, raw: bytes) -> None:
        """Check and keep a signature.

        Raises
        ------
        SurvivorsDisagreeError
            A valid signature on another set.
        """
        if self._is_repeat(partner, raw):
            return
        opening = self._opening
        record = verify(
            raw, Kind.SURVIVORS, opening.cohort.policy, opening.cohort.context, SURVIVORS_BYTES
        )
        _check_sender(record, partner)
        if record.payload != opening.sharer_bits + opening.survivor_bits:
            raise SurvivorsDisagreeError(
                f"partner {partner} signed another survivor set", partner=partner
            )
        self._raw[partner] = raw

    def close(self) -> tuple[CollectingReveals, Outgoing]:
        """Relay the signatures to every signer.

        Raises
        ------
        SurvivorsDisagreeError
            Fewer than t signatures.
        """
        self._close()
        signers, needed = self.received, self._opening.cohort.threshold
        if len(signers) < needed:
            raise SurvivorsDisagreeError(f"{len(signers)} signatures, {needed} needed")
        message = join(self._raw[signer] for signer in signers)
        return CollectingReveals(self._opening, signers), dict.fromkeys(signers, message)


class CollectingReveals(_Stage):
    """Stage 4: one share for each sharer's secret from at least t signers."""

    def __init__(self, opening: _Opening, signers: Sequence[int]) -> None:
        super().__init__(signers)
        self._opening = opening
        self._shares: dict[int, dict[int, bytes]] = {dealer: {} for dealer in opening.dealt}

    def receive(self, partner: int, raw: bytes) -> None:
        """Check each share against its dealer's commitment; the good ones are kept in any case.

        Raises
        ------
        WrongShareError
            Some share does not match; the holder is at fault.
        """
        if self._is_repeat(partner, raw):
            return
        opening, cohort = self._opening, self._opening.cohort
        size = reveal_bytes(len(opening.dealt))
        record = verify(raw, Kind.REVEAL, cohort.policy, cohort.context, size)
        _check_sender(record, partner)
        if record.payload[:BITMAP_BYTES] != opening.survivor_bits:
            raise SurvivorsDisagreeError(
                f"partner {partner} revealed for another survivor set", partner=partner
            )
        self._raw[partner] = raw
        wrong = self._keep(partner, record.payload[BITMAP_BYTES:])
        if wrong:
            raise WrongShareError(
                f"partner {partner} revealed wrong shares of partners {wrong}", partner=partner
            )

    def close(self, *, threads: int = 1) -> tuple[Aggregate, Outgoing]:
        """Rebuild the secrets, take the masks off and check the sum.

        Parameters
        ----------
        threads
            Coordinate ranges unmasked at the same time.

        Raises
        ------
        TooFewSharesError, InconsistentDealerError
            A secret cannot be rebuilt; names its dealer.
        SumBoundError
            The sum is beyond what honest partners can produce.
        """
        self._close()
        opening, policy = self._opening, self._opening.cohort.policy
        secrets = {dealer: self._secret(dealer) for dealer in opening.dealt}
        plus, minus = mask_streams(opening.cohort, secrets, opening.survivors, opening.dealt)
        ring_sum = opening.ring_sum
        add_masks(
            ring_sum,
            [key for key, _ in plus],
            [key for key, _ in minus],
            suite=policy.suite,
            threads=threads,
        )
        block = add_word_masks(
            opening.words, policy, [key for _, key in plus], [key for _, key in minus]
        )
        check_sum(ring_sum, block.signed_words(), len(opening.survivors), policy)
        return self._aggregate(block), self._results(block)

    def _keep(self, partner: int, payload: bytes) -> list[int]:
        wrong = []
        for place, dealer in enumerate(self._opening.dealt):
            share = payload[place * SHARE_BYTES : (place + 1) * SHARE_BYTES]
            if self._kind(dealer).matches(
                share, self._opening.dealt[dealer].envelopes[partner], self._opening.cohort, dealer
            ):
                self._shares[dealer][partner] = share
            else:
                wrong.append(dealer)
        return wrong

    def _kind(self, dealer: int) -> SecretKind:
        return SecretKind.SELF if dealer in self._opening.survivors else SecretKind.MASK

    def _secret(self, dealer: int) -> int:
        cohort, shares = self._opening.cohort, self._shares[dealer]
        if len(shares) < cohort.threshold:
            raise TooFewSharesError(
                f"{len(shares)} good shares of partner {dealer}, {cohort.threshold} needed"
            )
        envelope = next(iter(self._opening.dealt[dealer].envelopes.values()))
        return reconstruct(self._kind(dealer), shares, cohort, dealer, envelope)

    def _aggregate(self, block: WordBlock) -> Aggregate:
        opening = self._opening
        return Aggregate(
            policy=opening.cohort.policy,
            ring_sum=opening.ring_sum,
            words=block.signed_words(),
            survivors=opening.survivors,
            message=self._message(block),
        )

    def _results(self, block: WordBlock) -> Outgoing:
        return dict.fromkeys(self._opening.survivors, self._message(block))

    def _message(self, block: WordBlock) -> bytes:
        opening, cohort = self._opening, self._opening.cohort
        payload = opening.survivor_bits + block.encode()
        return frame(Kind.RESULT, cohort.policy, cohort.context, payload)


def _check_sender(record: Record, partner: int) -> None:
    if record.sender != partner:
        raise OutOfTurnError(
            f"partner {partner} delivered a message of partner {record.sender}", partner=partner
        )


def _as_ring(vector: Ring | bytes | memoryview, policy: SessionPolicy, partner: int) -> Ring:
    dtype = ring_dtype(policy.ring_bits)
    if isinstance(vector, np.ndarray):
        if vector.dtype != dtype or vector.shape != (policy.length,):
            raise UploadError(
                f"partner {partner} uploaded {vector.dtype}{vector.shape}", partner=partner
            )
        return np.ascontiguousarray(vector)
    if len(vector) != policy.vector_bytes:
        raise UploadError(
            f"partner {partner} uploaded {len(vector)} bytes, expected {policy.vector_bytes}",
            partner=partner,
        )
    return np.frombuffer(vector, dtype)
