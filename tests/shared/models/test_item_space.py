from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.models.errors import ItemVectorError
from shared.models.item_space import item_vectors, public_projection, whiten

FIRST_ROW = [0.1473158, 0.20286795, 0.31981355, 0.32508062]


def catalogue(items: int = 400, width: int = 16, seed: int = 0) -> NDArray[np.float32]:
    """Vectors with a strong common direction and unequal variances, as text encoders give."""
    random = np.random.default_rng(seed)
    spread = np.geomspace(1, 0.05, width)
    vectors = 2.0 + random.standard_normal((items, width)) * spread
    return vectors.astype(np.float32)


def test_vectors_have_length_one_and_missing_texts_stay_zero() -> None:
    encoded = catalogue()
    encoded[[3, 7]] = 0
    norms = np.linalg.norm(item_vectors(encoded, dim=16, shrinkage=0.3), axis=1)
    assert norms[[3, 7]].tolist() == [0, 0]
    assert np.delete(norms, [3, 7]) == pytest.approx(1, abs=1e-5)


def test_missing_texts_do_not_move_the_others() -> None:
    encoded = catalogue()
    padded = np.concatenate([encoded, np.zeros((50, 16), dtype=np.float32)])
    alone = item_vectors(encoded, dim=16, shrinkage=0.3)
    assert item_vectors(padded, dim=16, shrinkage=0.3)[:400] == pytest.approx(alone, abs=1e-6)


def test_whitening_removes_the_common_direction_and_evens_variances() -> None:
    before, after = catalogue(), whiten(catalogue().astype(np.float64), 0.01)
    assert np.linalg.norm(after.mean(0)) < 0.1 * np.linalg.norm(before.mean(0))
    assert _condition(after) < 0.05 * _condition(before)


def _condition(vectors: NDArray[np.floating]) -> float:
    values = np.linalg.eigvalsh(np.cov(vectors.T))
    return float(values[-1] / values[0])


def test_large_shrinkage_only_centres() -> None:
    vectors = catalogue().astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - unit.mean(0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    assert whiten(vectors, 1e9) == pytest.approx(expected, abs=1e-6)


def test_axes_stay_those_that_all_nodes_share() -> None:
    """ZCA: two catalogues of one distribution get nearly the same map."""
    first, second = catalogue(4000, seed=1), catalogue(4000, seed=2)
    probe = catalogue(50, seed=3)
    images = [
        item_vectors(np.concatenate([probe, c]), dim=16, shrinkage=0.3)[:50]
        for c in (first, second)
    ]
    assert (images[0] * images[1]).sum(1).min() > 0.99


@pytest.mark.parametrize("items", [1, 2, 5])
def test_catalogues_smaller_than_the_dimension_are_fine(items: int) -> None:
    vectors = item_vectors(catalogue(items), dim=16, shrinkage=0.3)
    assert np.isfinite(vectors).all()


def test_a_catalogue_without_any_text_is_all_zero() -> None:
    assert not item_vectors(np.zeros((4, 16), dtype=np.float32), dim=8, shrinkage=0.3).any()


def test_projection_is_orthonormal_and_a_public_constant() -> None:
    basis = public_projection(16, 4)
    assert basis.T @ basis == pytest.approx(np.eye(4), abs=1e-12)
    assert basis[0] == pytest.approx(FIRST_ROW, abs=1e-6)


def test_reduction_keeps_similar_items_similar() -> None:
    encoded = catalogue(400, width=64)
    encoded[1] = encoded[0] + 0.01
    reduced = item_vectors(encoded, dim=16, shrinkage=0.3)
    assert reduced.shape == (400, 16)
    assert reduced[0] @ reduced[1] > 0.95


@pytest.mark.parametrize(
    "encoded",
    [
        np.zeros((3, 4), dtype=np.float32),
        np.zeros(8, dtype=np.float32),
        np.full((3, 8), np.nan, dtype=np.float32),
    ],
)
def test_what_cannot_become_items_is_refused(encoded: NDArray[np.float32]) -> None:
    with pytest.raises(ItemVectorError):
        item_vectors(encoded, dim=8, shrinkage=0.3)
