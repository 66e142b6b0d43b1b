from __future__ import annotations

import numpy as np
import pytest

from shared.models.encoders.hashed_words import HashedWords

PLACES = [38, 42, 107, 108, 114]
FINGERPRINT = "5887b7da5ba20092b6ee019dfa07867069b6a2bd0c3791fc48ab3736973224ab"


def test_vectors_are_a_public_constant() -> None:
    """A change of the hash would silently separate nodes of different releases."""
    vector = HashedWords().encode(["blue bicycle helmet"])[0]
    assert np.flatnonzero(vector)[:5].tolist() == PLACES
    assert HashedWords().fingerprint == FINGERPRINT


def test_order_and_case_matter_little() -> None:
    first, same, other = HashedWords().encode(
        ["Blue bicycle helmet", "bicycle HELMET blue", "chamomile tea bags"]
    )
    assert first @ same > 0.8
    assert abs(first @ other) < 0.2


def test_shared_pieces_bring_inflections_together() -> None:
    singular, plural, other = HashedWords().encode(["bicycle", "bicycles", "chamomile"])
    assert singular @ plural > singular @ other + 0.3


@pytest.mark.parametrize("text", ["", "  ", "!!! ---", "\n"])
def test_text_without_words_is_zero(text: str) -> None:
    assert not HashedWords().encode([text]).any()
