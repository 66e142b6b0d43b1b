"""Stages 4 to 6 of a node: one survivor set, one opening, one verified sum."""

from __future__ import annotations

from collections.abc import Mapping

from shared.secagg import tags
from shared.secagg.bounds import check_sum
from shared.secagg.codec import (
    BITMAP_BYTES,
    Kind,
    bitmap,
    by_sender,
    members,
    read_frame,
    sign,
    split,
    verify,
)
from shared.secagg.cohort import Cohort
from shared.secagg.dealing import Opened
from shared.secagg.errors import (
    ForgedSumError,
    SurvivorsDisagreeError,
    SurvivorSetError,
    TooFewSurvivorsError,
)
from shared.secagg.fixed_point import dequantise, ring_dtype
from shared.secagg.masks import Ring
from shared.secagg.node.seat import Seat, Stage, VerifiedSum
from shared.secagg.records import SURVIVORS_BYTES, record_bytes, result_bytes
from shared.secagg.words import WordBlock


class Surviving(Stage):
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


class Unmasking(Stage):
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


class Verifying(Stage):
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
        SumBoundError
            It is the true sum, but no set of honest partners can produce it.
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
        check_sum(ring_sum, claimed.signed_words(), len(self._survivors), policy)
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
