"""Digests are the published functions."""

from __future__ import annotations

import numpy as np
import pytest

from shared.secagg.hashing import vector_digest

PUBLISHED = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}
"""Test vectors of the BLAKE3 team: length of the input 0, 1, ..., 250, 0, 1, ... to digest."""


@pytest.mark.parametrize("length", PUBLISHED)
def test_vector_digests_are_blake3(length):
    vector = (np.arange(length) % 251).astype(np.uint8)
    assert vector_digest(vector).hex() == PUBLISHED[length]
    assert vector_digest(vector[7:], head=vector[:7].tobytes()).hex() == PUBLISHED[length]


def test_strided_vectors_are_digested_as_their_values():
    wide = np.arange(20, dtype="<u4")
    assert vector_digest(wide[::2]) == vector_digest(wide[::2].copy())
