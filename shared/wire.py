"""What travels: Flower messages that carry opaque bytes and, where needed, one vector.

Every stage of a round is one message to each node and one reply. A message is a `RecordDict` with
exactly one `ConfigRecord` ``body`` (``{"v": 2, "data": bytes}``) and at most one `ArrayRecord`
``vector`` with a single array. The bytes are fixed-layout records whose signatures are checked
before they are parsed; Flower only transports them. Anything else in a message is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from shared.errors import FederationError
from shared.hashing import digest
from shared.protocol import SPOKEN

WIRE_VERSION: Final = SPOKEN[-1]
MAX_BODY_BYTES: Final = 64 << 20

START: Final = "train.start"
SHARE: Final = "train.share"
MASK: Final = "train.mask"
SURVIVORS: Final = "query.survivors"
UNMASK: Final = "query.unmask"
RELEASE: Final = "query.release"
STAGES: Final = (START, SHARE, MASK, SURVIVORS, UNMASK, RELEASE)

_DTYPES: Final = {"float32", "uint16", "uint32", "uint64"}


class MessageFormatError(FederationError):
    """A message that is not of the form of this protocol version."""

    code = "FED-010"


class WireVersionError(FederationError):
    """A message of another protocol version; there is no downgrade."""

    code = "FED-011"
    default_remedy = "run the same release of Isthmus on both sides"


@dataclass(frozen=True, slots=True)
class Parcel:
    """The content of one message: a body and perhaps one flat vector."""

    body: bytes
    vector: np.ndarray[Any, Any] | None = None

    @property
    def size(self) -> int:
        """Bytes of payload."""
        return len(self.body) + (0 if self.vector is None else self.vector.nbytes)

    def digest(self) -> str:
        """SHA-256 (hex) of body and vector: the same at both ends, for receipts."""
        if self.vector is None:
            return digest("isthmus parcel 1", self.body).hex()
        little = np.ascontiguousarray(self.vector, dtype=self.vector.dtype.newbyteorder("<"))
        name = self.vector.dtype.name.encode()
        return digest("isthmus parcel 1", self.body, name, little.data).hex()

    def to_record(self) -> RecordDict:
        """Pack for Flower."""
        record = RecordDict({"body": ConfigRecord({"v": WIRE_VERSION, "data": self.body})})
        if self.vector is not None:
            record["vector"] = ArrayRecord({"v": _array(self.vector)})
        return record

    @classmethod
    def from_record(cls, record: RecordDict) -> Parcel:
        """Unpack; anything unexpected is refused.

        Raises
        ------
        MessageFormatError, WireVersionError
        """
        if not {"body"} <= set(record) <= {"body", "vector"}:
            raise MessageFormatError(f"message holds the records {sorted(record)}")
        body = record["body"]
        if not isinstance(body, ConfigRecord) or set(body) != {"v", "data"}:
            raise MessageFormatError("the record 'body' is not of the form {v, data}")
        if body["v"] != WIRE_VERSION:
            raise WireVersionError(f"protocol version {body['v']!r}, here {WIRE_VERSION}")
        data = body["data"]
        if not isinstance(data, bytes) or len(data) > MAX_BODY_BYTES:
            raise MessageFormatError("the body is not bytes, or too long")
        return cls(data, _vector(record["vector"]) if "vector" in record else None)


def _array(vector: np.ndarray[Any, Any]) -> Array:
    little = np.ascontiguousarray(vector, dtype=vector.dtype.newbyteorder("<"))
    name = vector.dtype.name
    return Array(dtype=name, shape=(little.size,), stype="isthmus.le", data=little.tobytes())


def _vector(record: Any) -> np.ndarray[Any, Any]:
    """Parse raw little-endian bytes; `np.load` and pickles are never involved."""
    if not isinstance(record, ArrayRecord) or set(record) != {"v"}:
        raise MessageFormatError("the record 'vector' does not hold exactly one array")
    array = record["v"]
    if array.stype != "isthmus.le" or array.dtype not in _DTYPES:
        raise MessageFormatError(f"array of type {array.dtype!r} in format {array.stype!r}")
    dtype = np.dtype(array.dtype).newbyteorder("<")
    if len(array.shape) != 1 or array.shape[0] * dtype.itemsize != len(array.data):
        raise MessageFormatError(f"array of shape {array.shape} in {len(array.data)} bytes")
    return np.frombuffer(array.data, dtype=dtype)
