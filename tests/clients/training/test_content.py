"""The content model trains like the behaviour model, under the same rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clients.training import content_health as content_health_module
from clients.training.content_health import ContentHealth, content_health
from clients.training.errors import PrivateBiasError, UnknownItemError
from clients.training.local import Protection, StepTerms, Trainer
from clients.training.profiles import ProfileSet
from shared.models.config import ContentConfig
from shared.models.content_parameters import initial_content
from shared.models.content_vae_gan import ContentVAEGAN
from shared.models.item_matrix import ItemMatrix
from tests.clients.training.worlds import cyclic_platform, histories_of, item_vectors_of

CONFIG = ContentConfig(item_dim=16, latent_dim=4, hidden_dim=16)
ITEMS = ItemMatrix(vectors=item_vectors_of())
EXAMPLES = ProfileSet(cyclic_platform(), ITEMS.vectors, CONFIG)
START = initial_content(CONFIG, 0)
TERMS = StepTerms(learning_rate=0.02, sample_rate=0.5, expected_batch_size=40)
SOFT = Protection(clipping_norm=0.5, noise_multiplier=0.1)


def health(parameters: np.ndarray) -> ContentHealth:
    return content_health(CONFIG, parameters, EXAMPLES, ITEMS)


@pytest.mark.parametrize("protection", [None, SOFT])
def test_the_update_makes_what_followed_likelier(protection: Protection | None) -> None:
    trainer = Trainer(ContentVAEGAN(CONFIG), EXAMPLES, ITEMS, TERMS, protection)
    after = START + trainer.run(START, steps=60)
    assert health(after).reconstruction < health(START).reconstruction - 0.2


def test_biases_are_refused_in_private_steps() -> None:
    biased = ItemMatrix(vectors=ITEMS.vectors, bias=torch.zeros(30))
    with pytest.raises(PrivateBiasError):
        Trainer(ContentVAEGAN(CONFIG), EXAMPLES, biased, TERMS, SOFT)


def test_an_item_outside_the_catalogue_is_named() -> None:
    examples = ProfileSet(histories_of([1, 30]), ITEMS.vectors, CONFIG)
    with pytest.raises(UnknownItemError, match="item 30 in a catalogue of 30"):
        Trainer(ContentVAEGAN(CONFIG), examples, ITEMS, TERMS, None)


def test_a_collapsed_posterior_is_said() -> None:
    """A divergence that costs too much pushes every user's posterior to the prior."""
    config = CONFIG.model_copy(update={"kl_weight": 30.0})
    trainer = Trainer(ContentVAEGAN(config), EXAMPLES, ITEMS, TERMS, None)
    found = health(START + trainer.run(START, steps=60))
    assert found.collapsed
    assert "collapse" in found.sentences()[0]


def test_a_latent_that_moves_with_the_user_is_no_collapse() -> None:
    config = CONFIG.model_copy(update={"kl_weight": 0.0})
    trainer = Trainer(ContentVAEGAN(config), EXAMPLES, ITEMS, TERMS, None)
    found = health(START + trainer.run(START, steps=60))
    assert not found.collapsed
    assert found.reconstruction < found.without_latent
    assert "collapse" not in " ".join(found.sentences())


def test_a_large_catalogue_is_looked_at_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few scores at a time change nothing; few in all ask fewer users, of whom it is as true."""
    whole = health(START)
    monkeypatch.setattr(content_health_module, "_AT_ONCE", 3 * 2 * 4 * len(ITEMS))
    portions = health(START)
    assert portions.reconstruction == pytest.approx(whole.reconstruction, abs=1e-5)
    assert portions.without_latent == pytest.approx(whole.without_latent, abs=1e-5)
    monkeypatch.setattr(content_health_module, "MOST_SCORES", 40 * 2 * 4 * len(ITEMS))
    few = health(START)
    assert few.reconstruction != portions.reconstruction
    assert few.reconstruction == pytest.approx(whole.reconstruction, abs=0.3)
    assert (few.active, few.divergence, few.right) == (whole.active, whole.divergence, whole.right)


def test_a_plain_vae_has_no_discriminator_to_speak_of() -> None:
    config = CONFIG.model_copy(update={"discriminator_weight": 0.0, "adversarial_weight": 0.0})
    found = content_health(config, START, EXAMPLES, ITEMS)
    assert found.right is None
    assert "discriminator" not in " ".join(found.sentences())


@pytest.mark.parametrize(("right", "balanced"), [(0.5, False), (0.8, True), (1.0, False)])
def test_an_unbalanced_discriminator_is_said(right: float, balanced: bool) -> None:
    found = ContentHealth(
        reconstruction=1.0, without_latent=1.0, divergence=1.0, active=1, latents=4, right=right
    )
    assert found.balanced is balanced
    assert ("teaches" in found.sentences()[-1]) is not balanced
