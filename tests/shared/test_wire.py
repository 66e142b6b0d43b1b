"""What travels: exact journey, and refusal of everything else."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shared.wire import MessageFormatError, Parcel, WireVersionError

VECTORS = st.sampled_from([np.float32, np.uint16, np.uint32, np.uint64]).flatmap(
    lambda dtype: hnp.arrays(dtype, st.integers(0, 50))
)


@given(body=st.binary(max_size=200), vector=st.none() | VECTORS)
def test_a_parcel_survives_the_journey_bit_by_bit(body: bytes, vector: np.ndarray | None) -> None:
    back = Parcel.from_record(Parcel(body, vector).to_record())
    assert back.body == body
    if vector is None:
        assert back.vector is None
    else:
        assert back.vector is not None
        assert back.vector.dtype == vector.dtype
        assert back.vector.tobytes() == vector.tobytes()


def test_an_extra_record_is_refused() -> None:
    record = Parcel(b"x").to_record()
    record["metrics"] = MetricRecord({"loss": 0.1})
    with pytest.raises(MessageFormatError, match="metrics"):
        Parcel.from_record(record)


def test_an_extra_key_beside_the_body_is_refused() -> None:
    record = RecordDict({"body": ConfigRecord({"v": 1, "data": b"", "num-examples": 7})})
    with pytest.raises(MessageFormatError):
        Parcel.from_record(record)


def test_another_protocol_version_is_refused() -> None:
    record = RecordDict({"body": ConfigRecord({"v": 0, "data": b""})})
    with pytest.raises(WireVersionError):
        Parcel.from_record(record)


@pytest.mark.parametrize(
    "array",
    [
        Array(dtype="object", shape=(1,), stype="isthmus.le", data=bytes(8)),
        Array(dtype="uint32", shape=(1,), stype="numpy.ndarray", data=bytes(4)),
        Array(dtype="uint32", shape=(2,), stype="isthmus.le", data=bytes(4)),
        Array(dtype="uint32", shape=(1, 1), stype="isthmus.le", data=bytes(4)),
        Array(dtype="uint32", shape=(10**12,), stype="isthmus.le", data=bytes(4)),
    ],
    ids=["dtype", "numpy format", "too short", "two axes", "length bomb"],
)
def test_a_malformed_vector_is_refused(array: Array) -> None:
    record = Parcel(b"").to_record()
    record["vector"] = ArrayRecord({"v": array})
    with pytest.raises(MessageFormatError):
        Parcel.from_record(record)
