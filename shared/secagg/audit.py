"""Opening one upload to an auditor, who checks it against what the partner signed in that round.

The auditor sees the update in the clear, so this is for a dispute, under a contract. It needs
nothing from the coordinator but the signed upload header and the cohort's context.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.secagg.codec import Kind, verify
from shared.secagg.errors import OpeningError
from shared.secagg.hashing import digest, vector_digest
from shared.secagg.masks import Ring
from shared.secagg.policy import SessionPolicy
from shared.secagg.records import UploadHeader, upload_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a partner hands to the auditor.

    Attributes
    ----------
    salt
        32 bytes from `Participant.audit_salt`.
    words
        The words that it added.
    quantised
        (d,) ring elements before masking.
    """

    salt: bytes = field(repr=False)
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
        The partner signed a commitment to something else.
    """
    record = verify(header, Kind.UPLOAD, policy, context, upload_bytes(policy))
    signed = UploadHeader.parse(record.payload, policy).commitment
    found = update_commitment(opening.salt, opening.words, opening.quantised)
    if not policy.audited or not hmac.compare_digest(found, signed):
        raise OpeningError(
            f"partner {record.sender} committed to another upload", partner=record.sender
        )
