"""Blocks of several modalities make one item space."""

from __future__ import annotations

import numpy as np
import pytest

from shared.models.errors import ItemVectorError
from shared.models.item_space import item_vectors
from shared.models.modalities import Modality, fused_item_vectors

RANDOM = np.random.default_rng(0)
TEXT = RANDOM.standard_normal((40, 12)).astype(np.float32)
IMAGE = RANDOM.standard_normal((40, 6)).astype(np.float32)


def _text(weight: float = 1.0) -> Modality:
    return Modality(name="text", encoded=TEXT, dim=12, weight=weight)


def _image(encoded: np.ndarray = IMAGE, weight: float = 1.0) -> Modality:
    return Modality(name="image", encoded=encoded, dim=6, weight=weight)


def test_text_alone_is_the_item_space_of_texts() -> None:
    found = fused_item_vectors([_text()], shrinkage=0.3)
    np.testing.assert_allclose(found, item_vectors(TEXT, dim=12, shrinkage=0.3), atol=1e-6)


def test_every_item_has_length_one_and_weights_share_it() -> None:
    found = fused_item_vectors([_text(3.0), _image()], shrinkage=0.3)
    assert found.shape == (40, 18)
    np.testing.assert_allclose((found[:, :12] ** 2).sum(1), 0.75, atol=1e-5)
    np.testing.assert_allclose((found**2).sum(1), 1.0, atol=1e-5)


def test_a_missing_modality_is_masked_and_the_rest_takes_its_place() -> None:
    image = IMAGE.copy()
    image[:10] = 0
    found = fused_item_vectors([_text(), _image(image)], shrinkage=0.3)
    assert not found[:10, 12:].any()
    np.testing.assert_allclose((found[:10, :12] ** 2).sum(1), 1.0, atol=1e-5)


def test_an_item_without_anything_is_zero() -> None:
    text, image = TEXT.copy(), IMAGE.copy()
    text[3] = image[3] = 0
    modalities = [Modality(name="text", encoded=text, dim=12), _image(image)]
    assert not fused_item_vectors(modalities, shrinkage=0.3)[3].any()


def test_modalities_of_different_catalogues_and_no_weight_are_refused() -> None:
    with pytest.raises(ItemVectorError, match="same"):
        fused_item_vectors([_text(), _image(IMAGE[:5])], shrinkage=0.3)
    with pytest.raises(ItemVectorError, match="same"):
        fused_item_vectors([], shrinkage=0.3)
    with pytest.raises(ItemVectorError, match="weight"):
        fused_item_vectors([_text(0.0)], shrinkage=0.3)
