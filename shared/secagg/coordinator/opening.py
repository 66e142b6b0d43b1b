"""Stages 3 and 4 of the coordinator: signatures, shares, the opened sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shared.secagg.bounds import check_sum
from shared.secagg.codec import BITMAP_BYTES, Kind, frame, join, verify
from shared.secagg.coordinator.stage import Opening, Outgoing, Stage, check_sender
from shared.secagg.errors import SurvivorsDisagreeError, TooFewSharesError, WrongShareError
from shared.secagg.fixed_point import dequantise
from shared.secagg.masks import Ring, add_masks
from shared.secagg.policy import SessionPolicy
from shared.secagg.records import SURVIVORS_BYTES, reveal_bytes
from shared.secagg.shamir import SHARE_BYTES
from shared.secagg.unmasking import SecretKind, mask_streams, reconstruct
from shared.secagg.words import WordBlock, add_word_masks


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


class CollectingSignatures(Stage):
    """Stage 3: every survivor's signature on one survivor set."""

    def __init__(self, opening: Opening) -> None:
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
        check_sender(record, partner)
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
        self._check_open()
        signers, needed = self.received, self._opening.cohort.threshold
        if len(signers) < needed:
            raise SurvivorsDisagreeError(f"{len(signers)} signatures, {needed} needed")
        message = join(self._raw[signer] for signer in signers)
        self._spend()
        return CollectingReveals(self._opening, signers), dict.fromkeys(signers, message)


class CollectingReveals(Stage):
    """Stage 4: one share for each sharer's secret from at least t signers."""

    def __init__(self, opening: Opening, signers: Sequence[int]) -> None:
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
        check_sender(record, partner)
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
        self._check_open()
        opening, policy = self._opening, self._opening.cohort.policy
        secrets = {dealer: self._secret(dealer) for dealer in opening.dealt}
        plus, minus = mask_streams(opening.cohort, secrets, opening.survivors, opening.dealt)
        self._spend()
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
