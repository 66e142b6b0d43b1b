"""A vector travels in pieces without a copy at the sender and into one buffer at the receiver."""

from __future__ import annotations

import numpy as np
import pytest

from shared.secagg import Refusal, VectorBuffer, chunks
from tests.shared.secagg.grid import policy

RULES = policy(4, 0, length=1000)


@pytest.mark.parametrize("size", [1, 7, 4000, 5000])
def test_pieces_join_to_the_vector(size):
    vector = np.arange(1000, dtype="<u4")
    buffer = VectorBuffer(RULES)
    for _ in range(2):
        for piece in chunks(vector, size):
            buffer.write(piece)
        assert (buffer.vector() == vector).all()
        buffer.clear()


def test_pieces_share_the_senders_memory():
    vector = np.zeros(1000, dtype="<u4")
    piece = next(iter(chunks(vector)))
    vector[0] = 5
    assert piece[0] == 5


def test_too_many_and_too_few_bytes_are_refused():
    buffer = VectorBuffer(RULES)
    buffer.write(bytes(3999))
    with pytest.raises(Refusal) as short:
        buffer.vector()
    with pytest.raises(Refusal) as long:
        buffer.write(bytes(2))
    assert short.value.code == long.value.code == "SA-026"
    buffer.write(b"x")
    assert buffer.vector()[-1] >> 24 == ord("x")
