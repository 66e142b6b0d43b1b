"""Stage 2 of the coordinator: masked vectors, added up as they come."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.secagg.codec import Kind, bitmap, frame, verify
from shared.secagg.cohort import Cohort
from shared.secagg.coordinator.opening import CollectingSignatures
from shared.secagg.coordinator.stage import Dealt, Opening, Outgoing, Stage, check_sender
from shared.secagg.errors import MalformedMessageError, TooFewSurvivorsError, UploadError
from shared.secagg.fixed_point import ring_dtype
from shared.secagg.hashing import sha256, vector_digest
from shared.secagg.masks import Ring
from shared.secagg.policy import SessionPolicy
from shared.secagg.records import COMPLAINT_BYTES, UploadHeader, upload_bytes
from shared.secagg.words import WordBlock, zeros


class CollectingUploads(Stage):
    """Stage 2: masked vectors, added up as they come."""

    def __init__(self, cohort: Cohort, dealt: Mapping[int, Dealt]) -> None:
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
        check_sender(record, partner)
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
        check_sender(record, partner)
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
        self._check_open()
        survivors, cohort = self.received, self._cohort
        if len(survivors) < cohort.survivor_floor:
            raise TooFewSurvivorsError(
                f"{len(survivors)} uploads, the policy demands {cohort.survivor_floor}"
            )
        bits = bitmap(cohort.policy, survivors)
        message = frame(Kind.SURVIVOR_SET, cohort.policy, cohort.context, bits)
        opening = Opening(cohort, self._dealt, survivors, self._sum, self._words)
        self._spend()
        return CollectingSignatures(opening), dict.fromkeys(survivors, message)

    def _check(self, partner: int, header: UploadHeader, vector: Ring | bytes | memoryview) -> Ring:
        policy = self._cohort.policy
        if header.sharers != self._sharers:
            raise UploadError(f"partner {partner} masked for other sharers", partner=partner)
        if not policy.audited and header.commitment != bytes(len(header.commitment)):
            raise UploadError(f"partner {partner} sent an unasked commitment", partner=partner)
        words = _as_ring(vector, policy, partner)
        if vector_digest(words) != header.vector_digest:
            raise UploadError(
                f"the vector of partner {partner} is not the one it signed", partner=partner
            )
        return words


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
