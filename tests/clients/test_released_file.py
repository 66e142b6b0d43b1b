"""A released model in a bundle: what is read is what was written, in no more bytes than needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from clients.released_file import load, store
from clients.training.personalise import untouched
from shared.models.behaviour_parameters import initial_parameters
from shared.models.item_matrix import ItemMatrix
from tests.clients.training.worlds import CONFIG, histories_of, item_vectors_of

VECTORS = item_vectors_of()
MODEL = untouched(CONFIG, initial_parameters(CONFIG, 3), VECTORS)


@pytest.mark.parametrize("residual", [0.0, 0.1])
def test_a_loaded_model_scores_as_the_stored_one(tmp_path: Path, residual: float) -> None:
    own, path = ItemMatrix(vectors=VECTORS + residual, bias=torch.ones(30)), tmp_path / "r"
    store(path, MODEL, own)
    histories = histories_of([1, 2, 3], [])
    loaded = load(path, CONFIG, own)
    expected = MODEL.scorer().scores(histories)
    np.testing.assert_array_equal(loaded.scorer().scores(histories), expected)
    assert not loaded.scorer().scores(histories)[1].any()  # no bias: nothing about nobody
    assert ("vectors" in load_file(path)) == (residual > 0)


def test_a_file_without_parameters_is_refused(tmp_path: Path) -> None:
    save_file({"vectors": VECTORS.numpy()}, tmp_path / "r")
    with pytest.raises(KeyError):
        load(tmp_path / "r", CONFIG, MODEL.items)
