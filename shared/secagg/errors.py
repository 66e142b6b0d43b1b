"""Refusals of secure aggregation, one code for each reason.

Every refusal names the partner at fault where the evidence points at one, so that a coordinator can
go on without it::

    try:
        stage.receive(partner, message)
    except Refusal as refusal:
        journal.blame(refusal.partner, refusal.code)
"""

from __future__ import annotations

from typing import ClassVar

from shared.errors import SecAggError


class Refusal(SecAggError):  # noqa: N818 - a refusal is the protocol's word
    """Base of every refusal; `partner` is the id of the culprit, if one is known."""

    code: ClassVar[str] = "SA-090"

    def __init__(
        self, problem: str, *, partner: int | None = None, where: str = "", remedy: str = ""
    ) -> None:
        super().__init__(problem, where=where, remedy=remedy)
        self.partner = partner


class PolicyError(Refusal):
    """A session policy or session binding that breaks a rule of the protocol."""

    code = "SA-001"


class MalformedMessageError(Refusal):
    """Bytes that are no message of this kind: wrong length, marker, count or left-overs."""

    code = "SA-002"


class VersionError(Refusal):
    """A protocol version or cipher suite other than the policy's; there is no downgrade."""

    code = "SA-003"


class SignatureError(Refusal):
    """A signature that the pinned key of the named sender does not verify."""

    code = "SA-004"


class UnknownPartnerError(Refusal):
    """A partner id that is not in the policy or not in this cohort."""

    code = "SA-005"


class DuplicatePartnerError(Refusal):
    """The same partner twice in one list, or records out of order."""

    code = "SA-006"


class OwnAdvertError(Refusal):
    """The roster lacks this node's own advert or holds a changed one."""

    code = "SA-007"


class WeakKeyError(Refusal):
    """A public key of low order, or one that appears twice in a roster."""

    code = "SA-008"


class CohortTooSmallError(Refusal):
    """Fewer partners in the cohort than the policy allows; no share leaves the node."""

    code = "SA-009"


class OtherSessionError(Refusal):
    """A signed message of another session: other run, round, attempt, policy or roster."""

    code = "SA-010"


class OtherPlanError(Refusal):
    """A partner that trained under another plan."""

    code = "SA-011"


class OtherModelError(Refusal):
    """A partner that trained from another global model."""

    code = "SA-012"


class BadDealerError(Refusal):
    """An envelope that does not open or whose shares do not match the dealer's commitments.

    `complaint` is a signed record for the coordinator; the node sends it in place of its upload.
    """

    code = "SA-013"
    complaint: bytes = b""


class RoundUsedError(Refusal):
    """The round was already opened, or this attempt or a later one was already started."""

    code = "SA-014"


class SecondRosterError(Refusal):
    """A second roster for the same attempt."""

    code = "SA-015"


class SurvivorSetError(Refusal):
    """A survivor set that leaves out this node or contains partners without an upload key."""

    code = "SA-016"


class TooFewSurvivorsError(Refusal):
    """Fewer survivors than the policy's floor; nothing is opened."""

    code = "SA-017"


class SecondSurvivorSetError(Refusal):
    """A second survivor set for the same attempt."""

    code = "SA-018"


class SurvivorsDisagreeError(Refusal):
    """Fewer than t signatures on one and the same survivor set; nothing is opened."""

    code = "SA-019"


class UnusableUpdateError(Refusal):
    """An update with NaN or infinite values, or of another shape or type than the policy's."""

    code = "SA-020"


class WordRangeError(Refusal):
    """A weight, count or metric outside the range that the policy gives its word."""

    code = "SA-021"


class ForgedSumError(Refusal):
    """A published sum that its tag does not verify."""

    code = "SA-022"


class WrongShareError(Refusal):
    """A revealed share that does not match what its dealer committed to; the holder is named."""

    code = "SA-023"


class InconsistentDealerError(Refusal):
    """Shares that match their commitments but not one polynomial; the dealer is named."""

    code = "SA-024"


class TooFewSharesError(Refusal):
    """Fewer than t good shares of a secret; the sum stays closed."""

    code = "SA-025"


class UploadError(Refusal):
    """A masked vector that differs from its signed header in length, type or digest."""

    code = "SA-026"


class SumBoundError(Refusal):
    """A sum that no set of honest partners can produce: coordinate, word or norm out of bounds."""

    code = "SA-027"


class StageSpentError(Refusal):
    """A stage that has already made its one transition."""

    code = "SA-028"


class LockStoreError(Refusal):
    """The durable lock cannot be read or written, or is damaged; no message leaves."""

    code = "SA-029"


class OutOfTurnError(Refusal):
    """A message of a partner that is not expected in this stage, or a second, different one."""

    code = "SA-030"


class SnapshotError(Refusal):
    """A saved node state that is damaged, of another session, or ahead of the durable lock."""

    code = "SA-031"


class OpeningError(Refusal):
    """An opened upload that does not match the commitment signed with it."""

    code = "SA-032"


class SecondUploadError(Refusal):
    """A second, different upload under the same masks; their difference would be readable."""

    code = "SA-033"


class UnpinnedPartnerError(Refusal):
    """A cohort with a partner, or a partner's key, that this node has not pinned."""

    code = "SA-034"


class BelowFloorError(Refusal):
    """A policy with fewer partners, colluders or survivors than this node demands."""

    code = "SA-035"


class RefusedParameterError(Refusal):
    """A policy whose length, clipping range or number of words this node does not accept."""

    code = "SA-036"


class DistributedNoiseError(SecAggError):
    """A plan whose partners share the noise in a combination that no guarantee covers."""

    code = "SA-100"
    default_remedy = (
        'with noise = "distributed" set local.steps = 1, weights = "equal" and colluders >= 1'
    )


class NoiseUnreachableError(SecAggError):
    """No shared noise that fits the ring gives the epsilon that the plan promises."""

    code = "SA-101"
    default_remedy = (
        "use ring_bits = 32, fewer rounds or a larger epsilon, or noise of each partner"
    )
