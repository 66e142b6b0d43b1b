"""Generated data of the examples: each field has what makes it special, and it can be used."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from clients.data.dataset import PlatformData
from clients.data.ingest import ingest
from clients.data.mapping import ItemColumns, ItemMapping, SourceMapping
from clients.data.pseudonyms import PseudonymKey
from clients.data.sources import open_source
from examples.generate import platform_tables, write_platform
from simulations.datasets.vocabulary import Field

MAPPING = SourceMapping(items=ItemMapping(columns=ItemColumns(description="description")))


@pytest.mark.parametrize("field", get_args(Field))
def test_the_files_can_be_ingested(field: Field, tmp_path: Path) -> None:
    write_platform(field, tmp_path, users=30, items=60)
    platform = ingested(tmp_path)
    assert len(platform.catalogue) == 60
    assert len(platform.histories) == 30


def ingested(folder: Path) -> PlatformData:
    platform, report = ingest(
        "example",
        events=open_source(folder / "events.csv"),
        items=open_source(folder / "items.csv"),
        key=PseudonymKey.generate(),
        mapping=MAPPING,
    )
    assert not list(report.rejected())
    return platform


def test_required_courses_exist_are_of_the_same_subject_and_one_level_below() -> None:
    _, items = platform_tables("education", users=20, items=200, seed=1)
    rows = {row["item_id"]: row for row in items.to_pylist()}
    levels = ["beginner", "intermediate", "advanced"]
    needing = [row for row in rows.values() if row["requires"]]
    assert len(needing) > 20
    for row in needing:
        first = rows[row["requires"]]
        assert first["categories"] == row["categories"]
        assert levels.index(first["level"]) == levels.index(row["level"]) - 1


def test_some_of_the_shop_is_sold_out_and_risk_covers_all_classes() -> None:
    _, shop = platform_tables("ecommerce", users=20, items=200, seed=1)
    stock = shop.column("stock").to_numpy()
    assert 0 < np.count_nonzero(stock == 0) < 60
    _, products = platform_tables("finance", users=20, items=200, seed=1)
    assert set(products.column("risk_class").to_pylist()) == {1, 3, 4, 5, 6, 7}
