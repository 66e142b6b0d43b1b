"""A node's fusion with and without a content model of its own, and what its training costs.

Three seeds. Every second validation user decides when models stop and what weights are, the others
are measured: no test item is looked at. `cpu` is the CPU time of training the content model beside
that of training the node's LSTM.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import numpy as np

from clients.evaluation.bootstrap import paired_difference
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import Scorer, evaluate
from clients.evaluation.split import Fold
from clients.evaluation.summary import summary
from clients.recommenders.fusion import learn_weights
from clients.recommenders.local_parts import (
    CONTENT_PART,
    MODEL_PART,
    UNTRAINED_PART,
    fit_local_parts,
    fusion_parts,
)
from clients.training.config import TrainingConfig
from clients.training.content_health import content_health
from clients.training.personalise import PersonalModel, personalise, untouched
from clients.training.profiles import ProfileSet
from clients.training.tune_content import ContentModel, tune_content
from shared.models.behaviour_parameters import initial_parameters
from shared.models.content_parameters import initial_content
from shared.models.item_matrix import ItemMatrix
from simulations.platforms import LabPlatform

SEEDS = (0, 1, 2)
CONFIG = TrainingConfig()
T = TypeVar("T")


def rows(platform: LabPlatform) -> Iterator[dict[str, Any]]:
    """One row a seed."""
    stop, judge = halves(platform.split.validation)
    local = fit_local_parts(platform.split.training, platform.catalogue)
    for seed in SEEDS:
        first = initial_parameters(CONFIG.model, seed)
        own, lstm_seconds = _timed(partial(_lstm, platform, first, stop, seed))
        untaught = content_model(platform, stop, seed, steps=0)
        content, seconds = _timed(partial(content_model, platform, stop, seed))
        taught = content.scorer(platform.vectors)
        models: dict[str, Scorer] = {
            MODEL_PART: own.scorer(),
            UNTRAINED_PART: untouched(CONFIG.model, first, platform.vectors).scorer(),
        }
        joined = models | {CONTENT_PART: taught}
        without, with_it = (fusion_parts(local, found) for found in (models, joined))
        weights = learn_weights(with_it, stop, seed=seed)
        plain = learn_weights(without, stop, seed=seed)
        yield {
            "seed": seed,
            "weight": [
                round(kind.get(CONTENT_PART, 0.0), 3) for kind in (weights.weights, weights.cold)
            ],
            "alone": [_ndcg(one, judge) for one in (untaught.scorer(platform.vectors), taught)],
            **_compared(weights.fusion(with_it), plain.fusion(without), judge, platform),
            "cpu": round(seconds / lstm_seconds, 2),
            "seconds": round(seconds, 1),
            "steps": content.steps,
            "health": _health(content, platform),
        }


def _lstm(platform: LabPlatform, first: Any, stop: Fold, seed: int) -> PersonalModel:
    training, settings = platform.split.training, CONFIG.personalisation
    return personalise(CONFIG.model, first, platform.vectors, training, stop, settings, seed=seed)


def content_model(
    platform: LabPlatform, stop: Fold, seed: int, steps: int | None = None
) -> ContentModel:
    """A content model of the platform's own; `steps` at most, where given."""
    shape, training = CONFIG.content_shape, platform.split.training
    start, settings = initial_content(shape, seed), CONFIG.content
    if steps is not None:
        settings = settings.model_copy(update={"max_steps": steps})
    return tune_content(shape, start, platform.vectors, training, stop, settings, seed=seed)


def _compared(
    with_it: Scorer, without: Scorer, judge: Fold, platform: LabPlatform
) -> dict[str, Any]:
    vectors = platform.vectors.numpy()
    found = [evaluate(one, judge.contexts, judge.targets) for one in (without, with_it)]
    figures = [summary(result, vectors) for result in found]
    plain, joined = (ndcg(result.ranks, 10) for result in found)
    change = paired_difference(joined, plain, seed=0)
    untouched_items = np.bincount(platform.split.training.items, minlength=len(vectors)) == 0
    new = untouched_items[judge.targets]
    return {
        "users": len(judge),
        "change": [round(value, 4) for value in (change.mean, change.low, change.high)],
        **{
            name: [round(float(one[name]), 4) for one in figures]
            for name in ("ndcg@10", "hr@10", "coverage@10", "ild@10")
        },
        "never sold": [round(float(values[new].mean()), 4) for values in (plain, joined)]
        if new.any()
        else None,
        "never sold users": int(new.sum()),
    }


def _health(content: ContentModel, platform: LabPlatform) -> tuple[str, ...]:
    examples = ProfileSet(platform.split.training, platform.vectors, content.config)
    items = ItemMatrix(vectors=platform.vectors)
    return content_health(content.config, content.parameters, examples, items).sentences()


def halves(fold: Fold) -> tuple[Fold, Fold]:
    """Users who decide, and users who are measured."""
    places = np.arange(len(fold))
    return fold.take(places[::2]), fold.take(places[1::2])


def _ndcg(scorer: Scorer, fold: Fold) -> float:
    ranks = evaluate(scorer, fold.contexts, fold.targets).ranks
    return round(float(ndcg(ranks, 10).mean()), 4)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    return work(), time.process_time() - began
