"""Opening one upload to an auditor, who checks it against what the partner signed in that round.

The partner hands over the update and the stream keys of its masks. The auditor masks the update
again and compares with the signed digest, so what is opened is what was added up: another update
would need other keys whose keystreams differ from the true ones by exactly the difference. The
salted commitment in the same header must open to the same values: it was signed with the vector,
whatever keys are claimed later.

The auditor sees the update in the clear and the partner's masks of that session, so an audited
partner counts among the colluders of its round. This is for a dispute, under a contract. It needs
nothing from the coordinator but the signed upload header and the cohort's context.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.secagg.codec import Kind, Record, members, verify
from shared.secagg.errors import OpeningError
from shared.secagg.fixed_point import ring_dtype
from shared.secagg.hashing import digest, vector_digest
from shared.secagg.masks import Ring, StreamKeys, add_masks
from shared.secagg.policy import KEY_BYTES, SessionPolicy
from shared.secagg.records import UploadHeader, upload_bytes
from shared.secagg.words import WordBlock, add_word_masks


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSecrets:
    """What opens an upload, from `Participant.audit_secrets`.

    Attributes
    ----------
    salt
        32 bytes of the commitment.
    plus, minus
        Stream keys of the masks that were added and subtracted.
    """

    salt: bytes = field(repr=False)
    plus: tuple[StreamKeys, ...] = field(repr=False)
    minus: tuple[StreamKeys, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a partner hands to the auditor.

    Attributes
    ----------
    secrets
        Salt and stream keys.
    words
        The words that it added.
    quantised
        (d,) ring elements before masking.
    """

    secrets: AuditSecrets
    words: tuple[int, ...]
    quantised: Ring


def update_commitment(salt: bytes, words: Sequence[int], quantised: Ring) -> bytes:
    """Commitment to a quantised update and its words; hiding because the salt is secret."""
    packed = struct.pack(f"<{len(words)}q", *words)
    return vector_digest(quantised, head=digest("update", salt, packed))


def check_opening(header: bytes, opening: Opening, policy: SessionPolicy, context: bytes) -> None:
    """Check an opening against a signed upload header.

    Raises
    ------
    OpeningError
        The partner committed to something else, or uploaded something else.
    """
    record = verify(header, Kind.UPLOAD, policy, context, upload_bytes(policy))
    signed, who = UploadHeader.parse(record.payload, policy), record.sender
    _check_shape(opening, policy, who)
    found = update_commitment(opening.secrets.salt, opening.words, opening.quantised)
    if not policy.audited or not hmac.compare_digest(found, signed.commitment):
        raise OpeningError(f"partner {who} committed to another upload", partner=who)
    _check_keys(opening.secrets, signed, policy, record)
    if _masked_digest(opening, policy) != signed.vector_digest:
        raise OpeningError(f"partner {who} uploaded another vector", partner=who)
    if _masked_words(opening, policy) != WordBlock.parse(signed.words, policy).words:
        raise OpeningError(f"partner {who} uploaded other words", partner=who)


def _check_shape(opening: Opening, policy: SessionPolicy, who: int) -> None:
    vector = opening.quantised
    if vector.dtype != ring_dtype(policy.ring_bits) or vector.shape != (policy.length,):
        raise OpeningError(f"partner {who} opens {vector.dtype}{vector.shape}", partner=who)
    if len(opening.words) != len(policy.word_limits):
        raise OpeningError(f"partner {who} opens {len(opening.words)} words", partner=who)
    if any(
        abs(word) > limit for word, limit in zip(opening.words, policy.word_limits, strict=True)
    ):
        raise OpeningError(f"partner {who} opens words beyond their limits", partner=who)


def _check_keys(
    secrets: AuditSecrets, signed: UploadHeader, policy: SessionPolicy, record: Record
) -> None:
    """One mask for each sharer and no more, or masks could be made up to fit."""
    sharers = members(policy, signed.sharers)
    below = sum(sharer < record.sender for sharer in sharers)
    if (len(secrets.plus), len(secrets.minus)) != (len(sharers) - below, below):
        raise OpeningError(
            f"partner {record.sender} opens with other masks than one for each sharer",
            partner=record.sender,
        )
    if any(len(key) != KEY_BYTES for keys in secrets.plus + secrets.minus for key in keys):
        raise OpeningError(f"partner {record.sender} opens with no keys", partner=record.sender)


def _masked_digest(opening: Opening, policy: SessionPolicy) -> bytes:
    vector = opening.quantised.copy()
    plus, minus = opening.secrets.plus, opening.secrets.minus
    add_masks(vector, [key for key, _ in plus], [key for key, _ in minus], suite=policy.suite)
    return vector_digest(vector)


def _masked_words(opening: Opening, policy: SessionPolicy) -> tuple[int, ...]:
    words = tuple(word % (1 << 64) for word in opening.words)
    plus, minus = opening.secrets.plus, opening.secrets.minus
    clear = WordBlock(words, (0,) * policy.tag_words, 0)
    masked = add_word_masks(clear, policy, [key for _, key in plus], [key for _, key in minus])
    return masked.words
