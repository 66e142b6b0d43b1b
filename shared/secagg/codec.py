"""The one encoding of every message: fixed layouts, signatures over the bytes that travel.

A record is ``marker(4) kind(1) suite(1) context(32) sender(2) payload signature(64)``, all integers
little-endian. A receiver knows the exact length beforehand, verifies the received bytes, and only
then reads them; nothing is ever re-encoded. What the coordinator says by itself (survivor sets,
results) is a `frame`: the same header without sender and signature.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from shared.secagg.errors import (
    DuplicatePartnerError,
    MalformedMessageError,
    OtherSessionError,
    SignatureError,
    UnknownPartnerError,
    VersionError,
)
from shared.secagg.identity import Identity, verifies
from shared.secagg.policy import MAX_PARTNERS, SessionPolicy
from shared.secagg.suites import Suite

MARKER: Final = b"ISA2"
SIGNATURE_BYTES: Final = 64
_FRAME: Final = struct.Struct("<4sBB32s")
_SENDER: Final = struct.Struct("<H")
_COUNT: Final = struct.Struct("<H")
FRAME_BYTES: Final = _FRAME.size
RECORD_BYTES: Final = _FRAME.size + _SENDER.size + SIGNATURE_BYTES
BITMAP_BYTES: Final = MAX_PARTNERS // 8


class Kind(IntEnum):
    """What a record is; part of the signed bytes."""

    ADVERT = 1
    SHARE = 2
    UPLOAD = 3
    SURVIVORS = 4
    REVEAL = 5
    COMPLAINT = 6
    WRAP = 7
    SURVIVOR_SET = 16
    RESULT = 17


@dataclass(frozen=True, slots=True)
class Record:
    """A verified record; `raw` are the bytes that were signed, signature included."""

    sender: int
    context: bytes
    payload: bytes
    raw: bytes


class Reader:
    """Reads fixed fields off a payload whose length was checked before."""

    def __init__(self, payload: bytes) -> None:
        self._rest = memoryview(payload)

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > len(self._rest):
            raise MalformedMessageError(f"{len(self._rest)} bytes left, {size} expected")
        field, self._rest = self._rest[:size], self._rest[size:]
        return bytes(field)

    def number(self, size: int) -> int:
        """The next unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def finish(self) -> None:
        """Refuse left-over bytes."""
        if self._rest:
            raise MalformedMessageError(f"{len(self._rest)} left-over bytes")


def sign(
    identity: Identity, kind: Kind, policy: SessionPolicy, context: bytes, payload: bytes
) -> bytes:
    """A signed record."""
    head = _FRAME.pack(MARKER, kind, policy.suite, context) + _SENDER.pack(identity.partner)
    return head + payload + identity.sign(head + payload)


def frame(kind: Kind, policy: SessionPolicy, context: bytes, payload: bytes) -> bytes:
    """An unsigned message of the coordinator."""
    return _FRAME.pack(MARKER, kind, policy.suite, context) + payload


def verify(raw: bytes, kind: Kind, policy: SessionPolicy, context: bytes, size: int) -> Record:
    """Verify a record with a payload of `size` bytes.

    Raises
    ------
    MalformedMessageError, VersionError, UnknownPartnerError, SignatureError
        In this order of checking.
    OtherSessionError
        The signature is good but for another `context`.
    """
    record = verify_any_context(raw, kind, policy, size)
    if record.context != context:
        raise OtherSessionError(
            f"partner {record.sender} signed {kind.name} for another session or roster",
            partner=record.sender,
        )
    return record


def verify_any_context(raw: bytes, kind: Kind, policy: SessionPolicy, size: int) -> Record:
    """`verify` without the last check, for records whose context the caller reports in detail."""
    found = _check_header(raw, kind, policy, RECORD_BYTES + size)
    (sender,) = _SENDER.unpack_from(raw, FRAME_BYTES)
    key = policy.partners.get(sender)
    if key is None:
        raise UnknownPartnerError(f"partner {sender} is not in the policy", partner=sender)
    body, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
    if not verifies(key, signature, body):
        raise SignatureError(
            f"{kind.name.lower()} is not signed by partner {sender}", partner=sender
        )
    return Record(sender, found, body[FRAME_BYTES + _SENDER.size :], raw)


def read_frame(raw: bytes, kind: Kind, policy: SessionPolicy, context: bytes, size: int) -> bytes:
    """Payload of an unsigned message of the coordinator."""
    if _check_header(raw, kind, policy, FRAME_BYTES + size) != context:
        raise OtherSessionError(f"{kind.name.lower()} of another session or roster")
    return raw[FRAME_BYTES:]


def join(records: Iterable[bytes]) -> bytes:
    """A list of records of equal size: a count (2 bytes) and the records."""
    parts = list(records)
    return _COUNT.pack(len(parts)) + b"".join(parts)


def split(raw: bytes, size: int, *, most: int) -> list[bytes]:
    """The records of a list; the count is checked against the length before anything is cut.

    Raises
    ------
    MalformedMessageError
        More than `most` records, or a length that the count does not explain.
    """
    if len(raw) < _COUNT.size:
        raise MalformedMessageError(f"{len(raw)} bytes are no list")
    (count,) = _COUNT.unpack_from(raw)
    if count > most or len(raw) != _COUNT.size + count * size:
        raise MalformedMessageError(
            f"list of {count} records of {size} bytes in {len(raw)} bytes, at most {most}"
        )
    return [raw[at : at + size] for at in range(_COUNT.size, len(raw), size)]


def by_sender(records: Iterable[Record]) -> dict[int, Record]:
    """Records by sender; the list must be in strictly ascending order.

    Raises
    ------
    DuplicatePartnerError
        A sender twice or out of order.
    """
    result: dict[int, Record] = {}
    last = 0
    for record in records:
        if record.sender <= last:
            raise DuplicatePartnerError(
                f"partner {record.sender} stands after partner {last}", partner=record.sender
            )
        last = record.sender
        result[last] = record
    return result


def bitmap(policy: SessionPolicy, members: Iterable[int]) -> bytes:
    """32 bytes with one bit for each place in ``policy.ids``."""
    places = {partner: place for place, partner in enumerate(policy.ids)}
    value = sum(1 << places[member] for member in set(members))
    return value.to_bytes(BITMAP_BYTES, "little")


def members(policy: SessionPolicy, bits: bytes) -> tuple[int, ...]:
    """Partner ids of a bitmap, ascending.

    Raises
    ------
    UnknownPartnerError
        A bit for a place that no partner has.
    """
    value = int.from_bytes(bits, "little")
    if value >> len(policy.ids):
        raise UnknownPartnerError("a set names a partner that is not in the policy")
    return tuple(partner for place, partner in enumerate(policy.ids) if value >> place & 1)


def _check_header(raw: bytes, kind: Kind, policy: SessionPolicy, size: int) -> bytes:
    if len(raw) < FRAME_BYTES or raw[:3] != MARKER[:3]:
        raise MalformedMessageError(f"{len(raw)} bytes are no message of this protocol")
    marker, found_kind, suite, context = _FRAME.unpack_from(raw)
    if marker != MARKER:
        raise VersionError(f"protocol version {marker!r}, expected {MARKER!r}")
    if found_kind != kind:
        raise MalformedMessageError(f"message of kind {found_kind}, expected {kind.name}")
    if suite != policy.suite:
        raise VersionError(f"cipher suite {suite}, the policy demands {Suite(policy.suite).name}")
    if len(raw) != size:
        raise MalformedMessageError(f"{kind.name} has {len(raw)} bytes, expected {size}")
    return bytes(context)
