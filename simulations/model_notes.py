"""What a node says of its models in a run's report: is the content model well, what does not help.

Everything is measured on training and validation items; no test item is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from clients.recommenders.fusion import FusionWeights
from clients.training.content_health import content_health
from clients.training.profiles import ProfileSet
from clients.training.tune_content import ContentModel
from shared.models.item_matrix import ItemMatrix
from simulations.baselines import JOINED
from simulations.platforms import LabPlatform
from simulations.recipe import ContentRecipe


def without_discriminator(content: ContentRecipe) -> ContentRecipe:
    """The same recipe for the VAE alone."""
    plain = {"adversarial_weight": 0.0, "discriminator_weight": 0.0}
    model = content.terms.model.model_copy(update=plain)
    terms = content.terms.model_copy(update={"model": model})
    return content.model_copy(update={"terms": terms})


def health_notes(system: str, model: ContentModel, platform: LabPlatform) -> Iterator[str]:
    """How a content model is on a platform; a posterior collapse comes first."""
    vectors, training = platform.vectors, platform.split.training
    examples = ProfileSet(training, vectors, model.config)
    items = ItemMatrix(vectors=vectors)
    health = content_health(model.config, model.parameters, examples, items)
    yield from (f"{system}: {sentence}" for sentence in health.sentences())


def discriminator_note(model: ContentModel, plain: ContentModel) -> str:
    """Whether the discriminator paid: both models on the validation items that stopped them."""
    with_it, without = max(model.validation), max(plain.validation)
    figures = f"NDCG@10 on validation items {with_it:.4f} with it, {without:.4f} without"
    verdict = "beats" if with_it > without else "does not beat"
    return f"the VAE-GAN {verdict} its own VAE without the discriminator: {figures}"


def fusion_notes(learned: FusionWeights) -> Iterator[str]:
    """Which parts from the federation the fusion leaves out, since validation says so."""
    joined = [part for part in learned.weights if part in JOINED]
    unused = [part for part in joined if part in learned.unused]
    if unused and len(unused) == len(joined):
        yield "nothing from the federation clearly helps on validation items: it has weight zero"
    elif unused:
        yield f"of the federation's parts, these have weight zero: {', '.join(unused)}"
