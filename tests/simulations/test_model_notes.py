"""What a run says of its models: the content model's health, and what the fusion leaves out."""

from __future__ import annotations

import numpy as np

from clients.recommenders.fusion import FusionWeights
from clients.training.tune_content import ContentModel
from shared.models.config import ContentConfig
from simulations.model_notes import discriminator_note, fusion_notes, without_discriminator
from simulations.recipe import ContentRecipe


def _model(*validation: float) -> ContentModel:
    nothing = np.zeros(1, dtype=np.float32)
    return ContentModel(
        config=ContentConfig(), parameters=nothing, draws=4, validation=validation, steps=0
    )


def test_a_discriminator_that_does_not_pay_is_said() -> None:
    worse = discriminator_note(_model(0.02, 0.03), _model(0.02, 0.04))
    assert "does not beat" in worse
    assert "0.0300 with it, 0.0400 without" in worse
    assert "does not beat" in discriminator_note(_model(0.03), _model(0.03))
    assert "VAE-GAN beats its own" in discriminator_note(_model(0.05), _model(0.04))


def test_the_twin_differs_in_the_discriminator_alone() -> None:
    plain = without_discriminator(ContentRecipe()).terms.model
    assert (plain.adversarial_weight, plain.discriminator_weight) == (0.0, 0.0)
    same = {"adversarial_weight", "discriminator_weight"}
    assert plain.model_dump(exclude=same) == ContentConfig().model_dump(exclude=same)


def _learned(weights: dict[str, float], cold: dict[str, float] | None = None) -> FusionWeights:
    return FusionWeights(weights=weights, cold=cold or {}, ndcg=0.1, alone={}, users=9)


def test_federated_parts_without_weight_are_named() -> None:
    assert list(fusion_notes(_learned({"tfidf": 0.0, "released_lstm": 0.4}))) == []
    none = {"tfidf": 1.0, "released_lstm": 0.0, "partners_popularity": 0.0}
    assert "nothing from the federation clearly helps" in next(fusion_notes(_learned(none)))
    some = {"released_lstm": 0.4, "partners_popularity": 0.0}
    assert next(fusion_notes(_learned(some))).endswith("weight zero: partners_popularity")
    assert list(fusion_notes(_learned({"tfidf": 1.0}))) == []  # a platform alone


def test_a_federated_part_that_weighs_on_cold_items_alone_is_not_called_useless() -> None:
    weights = {"tfidf": 1.0, "released_lstm": 0.0}
    assert list(fusion_notes(_learned(weights, cold={"released_lstm": 0.7}))) == []
