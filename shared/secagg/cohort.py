"""The cohort of a session: checked adverts, and the context that they fix.

Nodes and coordinator run the same checks, the coordinator on each advert as it comes, a node on the
whole roster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.secagg import kem
from shared.secagg.codec import Kind, Record, by_sender, split, verify_any_context
from shared.secagg.errors import (
    CohortTooSmallError,
    OtherModelError,
    OtherPlanError,
    OtherSessionError,
    WeakKeyError,
)
from shared.secagg.groups import assign
from shared.secagg.hashing import digest, u16
from shared.secagg.keys import exchange
from shared.secagg.policy import Session, SessionPolicy
from shared.secagg.records import Advert, advert_bytes, record_bytes


@dataclass(frozen=True)
class Cohort:
    """Partners that masked together, after all checks of the roster.

    Attributes
    ----------
    adverts
        Partner id to its advert, ascending; in a policy with groups only this group's.
    context
        32 bytes that bind policy, run, round, attempt, plan, model, roster and group.
    """

    policy: SessionPolicy
    session: Session
    adverts: Mapping[int, Advert]
    context: bytes

    @cached_property
    def members(self) -> tuple[int, ...]:
        """Partner ids, ascending."""
        return tuple(self.adverts)

    @property
    def threshold(self) -> int:
        """t: of all pinned partners, or of the group where sums are taken by group."""
        if self.policy.groups == 1:
            return self.policy.threshold
        return self.policy.threshold_of(len(self.members))

    @property
    def survivor_floor(self) -> int:
        """Fewest partners in this cohort's sum."""
        if self.policy.groups == 1:
            return self.policy.survivor_floor
        return self.policy.floor_of(len(self.members))


def check_advert(raw: bytes, policy: SessionPolicy, session: Session) -> tuple[Record, Advert]:
    """Verify one advert: signature, session, plan, model, and that its keys are usable.

    Raises
    ------
    OtherSessionError, OtherPlanError, OtherModelError, WeakKeyError
        Besides the errors of `codec.verify_any_context`.
    """
    record = verify_any_context(raw, Kind.ADVERT, policy, advert_bytes(policy))
    sender = record.sender
    if record.context != session.context(policy):
        raise OtherSessionError(
            f"partner {sender} advertised for another run, round, attempt or policy", partner=sender
        )
    advert = Advert.parse(record.payload, policy)
    if advert.plan_hash != session.plan_hash:
        raise OtherPlanError(f"partner {sender} trained under another plan", partner=sender)
    if advert.model_hash != session.model_hash:
        raise OtherModelError(f"partner {sender} trained from another model", partner=sender)
    _check_keys(advert, sender)
    return record, advert


def build_roster(
    raw: Sequence[bytes], policy: SessionPolicy, session: Session
) -> tuple[dict[int, Advert], bytes]:
    """Check a whole roster; returns the adverts by partner and the roster's digest.

    Raises
    ------
    DuplicatePartnerError, WeakKeyError, CohortTooSmallError
        Besides the errors of `check_advert`.
    """
    if len(raw) < policy.survivor_floor:
        raise CohortTooSmallError(
            f"cohort of {len(raw)}, the policy demands {policy.survivor_floor}"
        )
    checked = [check_advert(item, policy, session) for item in raw]
    records = by_sender(record for record, _ in checked)
    adverts = {record.sender: advert for record, advert in checked}
    _check_distinct(adverts)
    return adverts, digest("roster", *(record.raw for record in records.values()))


def cohorts(
    adverts: Mapping[int, Advert], roster: bytes, policy: SessionPolicy, session: Session
) -> tuple[Cohort, ...]:
    """One cohort, or one for each group of the policy, in order.

    Raises
    ------
    CohortTooSmallError
        A group of fewer partners than may be summed.
    """
    base = digest("cohort", session.context(policy), session.plan_hash, session.model_hash, roster)
    parts = assign(roster, tuple(adverts), policy.groups)
    for part in parts:
        if policy.groups > 1 and len(part) < policy.floor_of(len(part)):
            raise CohortTooSmallError(f"a group of {len(part)} cannot be summed apart")
    return tuple(
        Cohort(policy, session, {i: adverts[i] for i in part}, digest("group", base, u16(place)))
        for place, part in enumerate(parts)
    )


def split_roster(raw: bytes, policy: SessionPolicy) -> list[bytes]:
    """The adverts of a roster message."""
    return split(raw, record_bytes(advert_bytes(policy)), most=len(policy.partners))


def _check_keys(advert: Advert, sender: int) -> None:
    probe = X25519PrivateKey.generate()
    exchange(probe, advert.channel_key, sender)
    exchange(probe, advert.mask_key, sender)
    for public in filter(None, (advert.channel_kem, advert.mask_kem)):
        kem.load(public, sender)


def _check_distinct(adverts: Mapping[int, Advert]) -> None:
    seen: set[bytes] = set()
    for partner, advert in adverts.items():
        for key in advert.public_keys():
            if key in seen:
                raise WeakKeyError(f"partner {partner} repeats a public key", partner=partner)
            seen.add(key)
