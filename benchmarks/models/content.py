"""The content VAE-GAN beside its own VAE without the discriminator, and the profile alone.

Three seeds. Every second validation user decides when to stop, the others are measured: no test
item is looked at. `distinct` is the mean number of
different items that eight draws of one user put first; `outside` the NDCG@10 on items that no
training event has, which only vectors can retrieve.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clients.data.dataset import Histories
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import evaluate
from clients.evaluation.split import Fold
from clients.evaluation.summary import summary
from clients.recommenders.content import ContentScorer
from clients.training.config import ContentTuning
from clients.training.content_health import content_health
from clients.training.profiles import ProfileSet
from clients.training.tune_content import ContentModel, tune_content
from shared.models.config import ContentConfig
from shared.models.content_parameters import initial_content
from shared.models.item_matrix import ItemMatrix
from simulations.platforms import LabPlatform

SEEDS = (0, 1, 2)
CHOICES: dict[str, ContentConfig] = {
    "VAE-GAN": ContentConfig(),
    "VAE": ContentConfig(adversarial_weight=0.0, discriminator_weight=0.0),
}
TUNING = ContentTuning(max_steps=300, patience=3)


def rows(platform: LabPlatform) -> Iterator[dict[str, Any]]:
    """One row a model and seed."""
    for name, config in CHOICES.items():
        for seed in SEEDS:
            start = initial_content(config, seed)
            stop, judge = _halves(platform.split.validation)
            model = tune_content(
                config, start, platform.vectors, platform.split.training, stop, TUNING, seed=seed
            )
            yield {"model": name, "seed": seed, **_figures(model, judge, platform)}


def _halves(fold: Fold) -> tuple[Fold, Fold]:
    rows = np.arange(len(fold))
    return fold.take(rows[::2]), fold.take(rows[1::2])


def _figures(model: ContentModel, fold: Fold, platform: LabPlatform) -> dict[str, Any]:
    vectors = platform.vectors
    scorer = ContentScorer(model.config, model.parameters, vectors, draws=8)
    result = evaluate(scorer, fold.contexts, fold.targets)
    figures = summary(result, vectors.numpy())
    untouched = np.bincount(platform.split.training.items, minlength=len(vectors)) == 0
    outside = ndcg(result.ranks, 10)[untouched[fold.targets]]
    examples = ProfileSet(platform.split.training, vectors, model.config)
    health = content_health(model.config, model.parameters, examples, ItemMatrix(vectors=vectors))
    return {
        "steps": model.steps,
        **{name: round(float(figures[name]), 4) for name in ("ndcg@10", "hr@10", "ild@10")},
        "coverage@10": round(float(figures["coverage@10"]), 4),
        "outside": round(float(outside.mean()), 4) if len(outside) else None,
        "distinct": _distinct(scorer, fold.contexts, platform),
        "health": health.sentences(),
    }


def _distinct(scorer: ContentScorer, contexts: Histories, platform: LabPlatform) -> float:
    """Mean number of different items that a user's draws put first."""
    some = contexts.take(np.arange(min(len(contexts), 500)))
    favourites = (scorer.contents(some) @ platform.vectors.numpy().T).argmax(-1)
    return round(float(np.mean([len(np.unique(row)) for row in favourites])), 2)
