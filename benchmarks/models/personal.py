"""Personalisation from the public initial weights: the system `local_lstm`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.models.judge import figures
from clients.training.config import PersonalisationConfig
from clients.training.personalise import personalise
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import BehaviourConfig
from simulations.platforms import LabPlatform

CHOICES: tuple[dict[str, Any], ...] = (
    {"residual_rate": 0.0},
    {"residual_rate": 5e-4},
    {"residual_rate": 1e-3},
    {"residual_rate": 3e-3},
    {"residual_rate": 1e-3, "text_learning_rate": 0.0},
    {"residual_rate": 1e-3, "learning_rate": 0.0},
    {"residual_rate": 1e-3, "learning_rate": 1e-2},
)


def rows(platform: LabPlatform) -> Iterator[dict[str, Any]]:
    """One row a choice."""
    config = BehaviourConfig()
    start = initial_parameters(config, 0)
    for choice in CHOICES:
        split, settings = platform.split, PersonalisationConfig(**choice)
        model = personalise(
            config, start, platform.vectors, split.training, split.validation, settings
        )
        yield {
            **choice,
            "steps": model.steps,
            "popularity_scale": model.popularity_scale,
            **figures(model.scorer(), platform),
        }
