"""The shared parameters alone: trained on one platform, with and without privacy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.models.judge import figures
from clients.recommenders.behaviour import BehaviourScorer
from clients.training.batches import TrainingSet
from clients.training.local import Protection, StepTerms, Trainer
from shared.models.behaviour import BehaviourLSTM
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.privacy.accounting import Budget, Mechanism, calibrate_noise
from simulations.platforms import LabPlatform

STEPS, BATCH, CLIP = 120, 1024, 0.5
CHOICES = (
    {"adapter_dim": 512, "learning_rate": 1e-2, "epsilon": None},
    {"adapter_dim": 512, "learning_rate": 3e-3, "epsilon": None},
    {"adapter_dim": 128, "learning_rate": 1e-2, "epsilon": None},
    {"adapter_dim": 512, "learning_rate": 1e-2, "epsilon": 8.0},
    {"adapter_dim": 512, "learning_rate": 3e-3, "epsilon": 8.0},
    {"adapter_dim": 128, "learning_rate": 1e-2, "epsilon": 8.0},
)


def rows(platform: LabPlatform) -> Iterator[dict[str, Any]]:
    """The untrained model, then one row a choice."""
    items = ItemMatrix(vectors=platform.vectors)
    start = initial_parameters(BehaviourConfig(), 0)
    untrained = BehaviourScorer(BehaviourConfig(), start, items)
    yield {"steps": 0, **figures(untrained, platform)}
    for choice in CHOICES:
        yield {"steps": STEPS, **choice, **_trained(platform, items, **choice)}


def _trained(
    platform: LabPlatform,
    items: ItemMatrix,
    *,
    adapter_dim: Any,
    learning_rate: Any,
    epsilon: Any,
) -> dict[str, Any]:
    config = BehaviourConfig(adapter_dim=adapter_dim)
    start, terms = initial_parameters(config, 0), {"learning_rate": learning_rate}
    after = trained(platform, config, start, epsilon=epsilon, steps=STEPS, **terms)
    return figures(BehaviourScorer(config, after, items), platform)


def trained(
    platform: LabPlatform,
    config: BehaviourConfig,
    start: Float32s,
    *,
    learning_rate: float,
    epsilon: float | None,
    steps: int,
) -> Float32s:
    """(P,) parameters after `steps` steps on a platform's users, private where epsilon is given."""
    items = ItemMatrix(vectors=platform.vectors)
    examples = TrainingSet(platform.split.training, config.history_length)
    rate = min(0.5, BATCH / examples.users)
    terms = StepTerms(
        learning_rate=learning_rate,
        sample_rate=rate,
        expected_batch_size=rate * examples.users,
        negatives=1024,
    )
    protection = _protection(examples.users, rate, epsilon, steps)
    trainer = Trainer(BehaviourLSTM(config), examples, items, terms, protection)
    return np.asarray(start + trainer.run(start, steps), dtype=np.float32)


def _protection(users: int, rate: float, epsilon: float | None, steps: int) -> Protection | None:
    if epsilon is None:
        return None
    planned = Mechanism(noise_multiplier=1.0, sample_rate=rate, steps=steps)
    noise = calibrate_noise([planned], Budget(epsilon=epsilon, delta=users**-1.1))
    return Protection(clipping_norm=CLIP, noise_multiplier=noise)
