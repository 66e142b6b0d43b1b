"""Public pre-training of the behaviour model: whether a start from data that no shop owns helps.

The model is trained on MovieLens (films) or on generated platforms of four trades, without privacy:
nobody in a federation owns them. From each start, and from the seed alone, a shop's users then
train it under epsilon 8 as a federation would, and a small shop of 1,500 users fine-tunes it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.models.judge import figures
from benchmarks.models.shared_model import trained
from clients.data.dataset import Histories
from clients.evaluation.split import leave_one_out
from clients.recommenders.behaviour import BehaviourScorer
from clients.training.config import PersonalisationConfig
from clients.training.personalise import personalise
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import BehaviourConfig
from shared.models.encoders import load_encoder
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from simulations.centralised import train_centralised
from simulations.datasets.federation import FederationData
from simulations.datasets.generated import GeneratorSettings, load_generated
from simulations.datasets.movielens import load_movielens
from simulations.platforms import LabPlatform, prepare
from simulations.recipe import CentralisedRecipe

CONFIG = BehaviourConfig()
STEPS, SMALL, JUDGED = 60, 1500, 4000
PUBLIC = CentralisedRecipe(steps=100, batch_users=512, learning_rate=3e-3, negatives=1024)
SOURCES: dict[str, Callable[[], FederationData]] = {
    "MovieLens-100K": load_movielens,
    "generated, four trades": lambda: load_generated(GeneratorSettings()),
}


def rows(platform: LabPlatform) -> Iterator[dict[str, Any]]:
    """For each start: untouched, after private steps, after a small shop's own fine-tuning."""
    judged = _judged(platform)
    small = _small(platform)
    for source in ("seed alone", *SOURCES):
        start = _start(source)
        items = ItemMatrix(vectors=platform.vectors)
        yield {"start": source, "trained": "no", **_figures(start, items, judged)}
        for epsilon in (None, 8.0):
            after = trained(
                platform, CONFIG, start, learning_rate=1e-2, epsilon=epsilon, steps=STEPS
            )
            yield {"start": source, "trained": f"{STEPS} steps, epsilon {epsilon}"} | _figures(
                after, items, judged
            )
        yield {"start": source, "trained": f"{SMALL} users alone", **_tuned(start, small)}


def _start(source: str) -> Float32s:
    if source not in SOURCES:
        return initial_parameters(CONFIG, 0)
    quiet: Callable[..., None] = lambda *_: None  # noqa: E731
    public = prepare(SOURCES[source](), load_encoder(), CONFIG, leave_one_out, quiet)
    return train_centralised(public, CONFIG, PUBLIC, 0, quiet)


def _judged(platform: LabPlatform) -> LabPlatform:
    validation = platform.split.validation.sample(JUDGED, 0)
    return replace(platform, split=replace(platform.split, validation=validation))


def _small(platform: LabPlatform) -> LabPlatform:
    users = len(platform.data.histories)
    chosen = np.random.default_rng(0).choice(users, min(SMALL, users), replace=False)
    histories: Histories = platform.data.histories.take(np.sort(chosen))
    data = replace(platform.data, histories=histories)
    return replace(platform, data=data, split=leave_one_out(histories))


def _tuned(start: Float32s, small: LabPlatform) -> dict[str, float]:
    split, settings = small.split, PersonalisationConfig()
    model = personalise(CONFIG, start, small.vectors, split.training, split.validation, settings)
    return {"steps": model.steps, **figures(model.scorer(), small)}


def _figures(vector: Float32s, items: ItemMatrix, platform: LabPlatform) -> dict[str, float]:
    return figures(BehaviourScorer(CONFIG, vector, items), platform)
