"""The index: it finds what has the largest logits, biases included, and survives the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clients.retrieval.errors import UnusableIndexError
from clients.retrieval.index import VectorIndex, cells_for

ITEMS, DIM = 4000, 24
RANDOM = np.random.default_rng(5)
CENTRES = RANDOM.normal(size=(40, DIM))
VECTORS = (CENTRES[np.arange(ITEMS) % 40] + RANDOM.normal(size=(ITEMS, DIM))).astype(np.float32)
BIAS = RANDOM.normal(size=ITEMS).astype(np.float32)
QUERIES = (CENTRES[:10] + 0.3 * RANDOM.normal(size=(10, DIM))).astype(np.float32)


@pytest.fixture(scope="module")
def index() -> VectorIndex:
    return VectorIndex.build(VECTORS, BIAS)


def best(most: int) -> list[set[int]]:
    logits = QUERIES @ VECTORS.T + BIAS
    return [set(np.argsort(-row)[:most].tolist()) for row in logits]


def recall(index: VectorIndex, probes: int) -> float:
    found = index.search(QUERIES, 100, probes)
    pairs = zip(found, best(100), strict=True)
    return float(np.mean([len(set(f.tolist()) & b) / 100 for f, b in pairs]))


def test_more_cells_find_more_and_all_cells_find_nearly_all(index: VectorIndex) -> None:
    assert recall(index, 1) < recall(index, 8)
    assert recall(index, 64) > 0.97  # what one byte a dimension leaves


def test_it_finds_no_more_than_there_is(index: VectorIndex) -> None:
    assert all(len(set(f.tolist())) == ITEMS for f in index.search(QUERIES, 2 * ITEMS, 64))
    assert all(0 < len(found) < ITEMS for found in index.search(QUERIES, ITEMS, 1))


def test_what_is_read_is_what_was_written(index: VectorIndex, tmp_path: Path) -> None:
    index.store(tmp_path / "index")
    again = VectorIndex.load(tmp_path / "index", ITEMS, DIM)
    pairs = zip(index.search(QUERIES, 50, 4), again.search(QUERIES, 50, 4), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_the_same_vectors_give_the_same_index(index: VectorIndex) -> None:
    again = VectorIndex.build(VECTORS, BIAS)
    pairs = zip(index.search(QUERIES, 50, 4), again.search(QUERIES, 50, 4), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_an_index_of_another_catalogue_or_none_at_all_is_refused(
    index: VectorIndex, tmp_path: Path
) -> None:
    index.store(tmp_path / "index")
    with pytest.raises(UnusableIndexError, match="4000 items of width 32"):
        VectorIndex.load(tmp_path / "index", ITEMS - 1, DIM)
    (tmp_path / "damaged").write_bytes(b"no index")
    with pytest.raises(UnusableIndexError, match="faiss"):
        VectorIndex.load(tmp_path / "damaged", ITEMS, DIM)


def test_a_catalogue_of_one_item_can_be_indexed() -> None:
    one = VectorIndex.build(VECTORS[:1], None)
    assert one.search(QUERIES, 5, 3)[0].tolist() == [0]


def test_cells_grow_with_the_root_of_the_catalogue() -> None:
    assert [cells_for(n) for n in (1, 200_000, 1_000_000)] == [1, 512, 1024]
