"""Local parts: what is stored and restored scores as what was fitted."""

from __future__ import annotations

import numpy as np
import pytest

from clients.recommenders.errors import NotFittedError
from clients.recommenders.local_parts import LOCAL_PARTS, MODEL_PART, fit_local_parts, fusion_parts
from tests.clients.recommenders.small_data import catalogue, histories

HISTORIES = histories([0, 1, 2], [1, 2], [2, 0, 1, 3], [])
CATALOGUE = catalogue("red tea", "green tea", "red cup", "cup", "")


@pytest.mark.parametrize("name", LOCAL_PARTS)
def test_a_restored_part_scores_as_the_fitted_one(name: str) -> None:
    fitted = LOCAL_PARTS[name]().fit(HISTORIES, CATALOGUE)
    restored = LOCAL_PARTS[name]().restore(fitted.state())
    np.testing.assert_array_equal(restored.scores(HISTORIES), fitted.scores(HISTORIES))


@pytest.mark.parametrize("name", LOCAL_PARTS)
def test_there_is_no_state_before_fitting(name: str) -> None:
    with pytest.raises(NotFittedError):
        LOCAL_PARTS[name]().state()


def test_the_fusion_has_all_local_parts_and_the_model() -> None:
    local = fit_local_parts(HISTORIES, CATALOGUE)
    parts = fusion_parts(local, {MODEL_PART: local["tfidf"]})
    assert list(parts) == [*LOCAL_PARTS, MODEL_PART]
    assert parts[MODEL_PART].kind == "logits"
