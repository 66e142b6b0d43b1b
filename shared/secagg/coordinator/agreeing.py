"""Stages 0 and 1 of the coordinator: the roster and the relayed shares."""

from __future__ import annotations

from collections.abc import Sequence

from shared.secagg.codec import Kind, join, split, verify
from shared.secagg.cohort import Cohort, build_roster, check_advert, cohorts
from shared.secagg.coordinator.stage import Dealt, Outgoing, Stage, check_sender
from shared.secagg.coordinator.uploads import CollectingUploads
from shared.secagg.errors import CohortTooSmallError, InconsistentDealerError, MalformedMessageError
from shared.secagg.policy import Session, SessionPolicy
from shared.secagg.records import Envelope, record_bytes, share_bytes, wrap_bytes


class CollectingAdverts(Stage):
    """Stage 0: one advert from each partner."""

    def __init__(self, policy: SessionPolicy, session: Session) -> None:
        super().__init__(policy.ids)
        self._policy, self._session = policy, session

    def receive(self, partner: int, raw: bytes) -> None:
        """Check and keep an advert."""
        if not self._is_repeat(partner, raw):
            record, _ = check_advert(raw, self._policy, self._session)
            check_sender(record, partner)
            self._raw[partner] = raw

    def close(self) -> tuple[tuple[CollectingShares, ...], Outgoing]:
        """Fix the roster; returns one next stage for each group (one without groups).

        Raises
        ------
        CohortTooSmallError
            Fewer adverts than the survivor floor.
        """
        self._check_open()
        raw = [self._raw[partner] for partner in self.received]
        adverts, digest = build_roster(raw, self._policy, self._session)
        stages = tuple(
            CollectingShares(cohort)
            for cohort in cohorts(adverts, digest, self._policy, self._session)
        )
        self._spend()
        return stages, dict.fromkeys(adverts, join(raw))


class CollectingShares(Stage):
    """Stage 1: envelopes for every member from each member."""

    def __init__(self, cohort: Cohort) -> None:
        super().__init__(cohort.members)
        self._cohort = cohort
        self._dealt: dict[int, Dealt] = {}

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
        self._check_open()
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
        self._spend()
        return CollectingUploads(self._cohort, dealt), outgoing

    def _parse(self, partner: int, raw: bytes) -> Dealt:
        policy, size = self._cohort.policy, share_bytes(self._cohort.policy)
        wrap_size = record_bytes(wrap_bytes(len(self._expected))) if policy.suite.hybrid else 0
        cut = len(raw) - wrap_size
        items = split(raw[: max(cut, 0)], record_bytes(size), most=len(self._expected))
        context = self._cohort.context
        records = [verify(item, Kind.SHARE, policy, context, size) for item in items]
        for record in records:
            check_sender(record, partner)
        envelopes = [Envelope.parse(record.payload, policy) for record in records]
        self._check_envelopes(partner, envelopes)
        wrap = b""
        if wrap_size:
            record = verify(raw[cut:], Kind.WRAP, policy, context, wrap_bytes(len(self._expected)))
            check_sender(record, partner)
            wrap = record.payload
        pairs = zip(self._expected, records, strict=True)
        return Dealt(dict(pairs), {envelope.holder: envelope for envelope in envelopes}, wrap)

    def _check_envelopes(self, partner: int, envelopes: Sequence[Envelope]) -> None:
        if tuple(envelope.holder for envelope in envelopes) != self._expected:
            raise MalformedMessageError(
                f"partner {partner} did not deal to every member once", partner=partner
            )
        if len({envelope.secret_hash for envelope in envelopes}) != 1:
            raise InconsistentDealerError(
                f"partner {partner} committed to several secrets", partner=partner
            )
