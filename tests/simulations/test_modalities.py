"""Feature columns that a recipe names become part of item vectors in the lab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from pydantic import ValidationError

from clients.evaluation.split import leave_one_out
from shared.models.config import BehaviourConfig, ModalityTerms
from shared.models.encoders import load_encoder
from simulations.datasets.generated import GeneratorSettings, load_generated
from simulations.platforms import LabPlatform, prepare

SETTINGS = GeneratorSettings(users=(30,), items=(60,))


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    ids = load_generated(SETTINGS).platforms[0].catalogue.item_ids
    random = np.random.default_rng(0)
    cells = [None if n < 5 else random.random(4).tolist() for n in range(len(ids))]
    image = pa.array(cells, pa.list_(pa.float32()))
    parquet.write_table(pa.table({"item_id": list(ids), "image": image}), tmp_path / "f.parquet")
    return tmp_path / "f.parquet"


def _prepared(features: Path, item_dim: int, width: int) -> LabPlatform:
    image = ModalityTerms(name="image", dim=width)
    return prepare(
        load_generated(SETTINGS),
        load_encoder("hashed-words"),
        BehaviourConfig(item_dim=item_dim, adapter_dim=8, modalities=(image,)),
        leave_one_out,
        lambda *_: None,
        str(features),
    )[0]


def test_texts_and_features_share_the_item_vector_and_missing_ones_are_masked(
    features: Path,
) -> None:
    vectors = _prepared(features, 36, 4).vectors
    assert vectors.shape == (60, 36)
    assert not vectors[:5, 32:].any()
    assert (vectors[5:, 32:].square().sum(1) - 0.5).abs().max() < 1e-4


def test_an_item_vector_without_room_for_texts_is_refused() -> None:
    with pytest.raises(ValidationError, match="item_dim"):
        BehaviourConfig(item_dim=8, modalities=(ModalityTerms(name="image", dim=8),))
