from __future__ import annotations

import pytest

from shared.models.encoders import encoder_names, load_encoder
from shared.models.encoders.errors import EncoderHashError, UnknownEncoderError


def test_unknown_name_proposes_the_nearest_known_one() -> None:
    with pytest.raises(UnknownEncoderError, match="hashed-words"):
        load_encoder("hashed-word")


@pytest.mark.parametrize("name", encoder_names())
def test_every_encoder_keeps_its_promises(name: str) -> None:
    """Right name and shape, unit or zero vectors, and the same result one by one or together."""
    encoder = load_encoder(name)
    texts = ["red running shoes", "", "green tea 100 g", "绿茶"]
    vectors = encoder.encode(texts)
    assert encoder.name == name
    assert vectors.shape == (4, encoder.dim)
    assert vectors.dtype == "float32"
    norms = (vectors**2).sum(1)
    assert norms == pytest.approx([1, 0, 1, 1], abs=1e-4)
    assert encoder.encode(texts[2:3])[0] == pytest.approx(vectors[2], abs=1e-5)


def test_a_demanded_fingerprint_must_match() -> None:
    right = load_encoder("hashed-words").fingerprint
    assert load_encoder("hashed-words", fingerprint=right).fingerprint == right
    with pytest.raises(EncoderHashError, match="0000"):
        load_encoder("hashed-words", fingerprint="0" * 64)


def test_fingerprints_differ_between_encoders() -> None:
    assert len({load_encoder(name).fingerprint for name in encoder_names()}) == len(encoder_names())
