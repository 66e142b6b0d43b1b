"""A node's saved state: its root and the messages that it has received, in a fixed layout.

Secret: whoever reads it can open this node's masks of this session. Keep it with mode 0600, delete
it with the round.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.secagg.codec import Reader
from shared.secagg.errors import MalformedMessageError, SnapshotError
from shared.secagg.hashing import digest

_MARKER: Final = b"ISS1"
_CHECK_BYTES: Final = 32
_LENGTH: Final = struct.Struct("<I")


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """Messages received so far (empty if not yet), and what cannot be derived from the root."""

    binding: bytes
    root: bytes = field(repr=False)
    advertised: bool = False
    roster: bytes = b""
    envelopes: bytes = b""
    uploaded: bool = False
    survivors: bytes = b""
    signatures: bytes = b""
    message: bytes = b""
    sent: Mapping[int, bytes] = field(default_factory=dict, repr=False)

    def encode(self) -> bytes:
        """Bytes with a checksum."""
        sent = b"".join(struct.pack("<H", i) + s for i, s in self.sent.items() if s)
        parts = (self.roster, self.envelopes, self.survivors, self.signatures, self.message, sent)
        flags = self.advertised | self.uploaded << 1
        head = _MARKER + self.binding + self.root + bytes([flags])
        body = head + b"".join(_LENGTH.pack(len(part)) + part for part in parts)
        return body + digest("snapshot", body)

    @classmethod
    def parse(cls, raw: bytes) -> Snapshot:
        """Read `encode`'s bytes.

        Raises
        ------
        SnapshotError
            Damaged or of another version.
        """
        body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
        if digest("snapshot", body) != check or body[:4] != _MARKER:
            raise SnapshotError(f"damaged snapshot of {len(raw)} bytes")
        try:
            return cls._read(Reader(body[4:]))
        except MalformedMessageError as error:
            raise SnapshotError(error.problem) from error

    @classmethod
    def _read(cls, reader: Reader) -> Snapshot:
        binding, root, flags = reader.take(32), reader.take(32), reader.number(1)
        parts = [reader.take(reader.number(_LENGTH.size)) for _ in range(6)]
        reader.finish()
        roster, envelopes, survivors, signatures, message, sent = parts
        cut = [sent[at : at + 34] for at in range(0, len(sent), 34)]
        return cls(
            binding=binding,
            root=root,
            advertised=bool(flags & 1),
            roster=roster,
            envelopes=envelopes,
            uploaded=bool(flags & 2),
            survivors=survivors,
            signatures=signatures,
            message=message,
            sent={int.from_bytes(item[:2], "little"): item[2:] for item in cut},
        )
