"""Feature columns are aligned with the catalogue; what is missing is masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from clients.data.dataset import Catalogue
from clients.data.features import (
    FeatureColumnError,
    FeatureFileError,
    NoSuchFeatureError,
    features_named,
    read_features,
)

IDS = ("a", "b", "c")
CATALOGUE = Catalogue(item_ids=IDS, titles=("",) * 3, categories=("",) * 3, descriptions=("",) * 3)


def _write(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_rows_follow_the_catalogue_and_missing_ones_are_masked(tmp_path: Path) -> None:
    image = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32()))
    path = _write(tmp_path / "f.parquet", item_id=["c", "a", "other"], image=image)
    (found,) = read_features(path, CATALOGUE)
    assert found.name == "image"
    assert found.vectors.tolist() == [[0, 0], [0, 0], [1, 2]]
    assert found.present.tolist() == [False, False, True]


def test_several_modalities_and_fixed_size_lists(tmp_path: Path) -> None:
    fixed = pa.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], pa.list_(pa.float64(), 2))
    sound = pa.array([[5], [6], None], pa.list_(pa.int64()))
    path = _write(tmp_path / "f.parquet", item_id=list(IDS), image=fixed, sound=sound)
    image, audio = read_features(path, CATALOGUE)
    assert image.vectors.shape == (3, 2)
    assert audio.vectors[:, 0].tolist() == [5, 6, 0]


@pytest.mark.parametrize(
    "column",
    [["x", "y", "z"], [[1.0], [1.0, 2.0], [1.0]], [["x"], ["y"], ["z"]], [[np.nan], [1.0], [1.0]]],
    ids=["no list", "lengths differ", "no numbers", "not finite"],
)
def test_a_column_that_is_no_embedding_is_refused(tmp_path: Path, column: list[Any]) -> None:
    path = _write(tmp_path / "f.parquet", item_id=list(IDS), image=column)
    with pytest.raises(FeatureColumnError, match="image"):
        read_features(path, CATALOGUE)


def test_a_file_without_ids_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeatureFileError, match="item_id"):
        read_features(_write(tmp_path / "f.parquet", image=[[1.0]]), CATALOGUE)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FeatureFileError):
        read_features(tmp_path / "text", CATALOGUE)


def test_a_column_of_nulls_is_a_modality_that_nobody_has(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "f.parquet",
        item_id=list(IDS),
        image=pa.array([None] * 3, pa.list_(pa.float32())),
    )
    (found,) = read_features(path, CATALOGUE)
    assert not found.present.any()


def test_a_modality_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    columns = read_features(
        _write(tmp_path / "f.parquet", item_id=list(IDS), image=[[1.0]] * 3), CATALOGUE
    )
    assert features_named("image", columns) is columns[0]
    with pytest.raises(NoSuchFeatureError, match="sound") as refusal:
        features_named("sound", columns)
    assert "image" in str(refusal.value)
