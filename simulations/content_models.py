"""The content models of a run: each platform's own, tuned from a shared start, kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from clients.training.tune_content import ContentModel, tune_content
from shared.files import write_atomically
from shared.models.parameters import Float32s
from shared.progress import Step
from simulations.lab_device import lab_compute
from simulations.platforms import LabPlatform
from simulations.recipe import ContentRecipe
from simulations.results import SystemName

CONTENT: Final[dict[SystemName, SystemName | None]] = {
    "local_vae_gan": None,
    "federated_vae_gan": "federated_lstm",
    "vae_gan": "federated_dp_lstm",
}
"""Content system → the federated run whose plan trained it; None = public initial weights."""


def content_systems(
    systems: Sequence[SystemName], content: ContentRecipe | None
) -> list[SystemName]:
    """Content systems that a recipe runs: none without a content section."""
    return [system for system in CONTENT if system in systems and content is not None]


def kept_content(
    path: Path,
    recipe: ContentRecipe,
    start: Float32s,
    platform: LabPlatform,
    seed: int,
    step: Step,
) -> ContentModel:
    """The model in `path`; tuned from `start` and stored first when it is not there."""
    if not path.exists():
        model = tune_content(
            recipe.terms.model,
            start,
            platform.vectors,
            platform.split.training,
            platform.split.validation,
            recipe.tuning,
            seed=seed,
            progress=lambda done, total: step(done, total),
            compute=lab_compute(),
        )
        facts = {"draws": model.draws, "validation": model.validation, "steps": model.steps}
        tensors = {"parameters": np.ascontiguousarray(model.parameters)}
        write_atomically(path, save(tensors, metadata={"facts": json.dumps(facts)}))
    return load_content(path, recipe)


def load_content(path: Path, recipe: ContentRecipe) -> ContentModel:
    """Read what `kept_content` stored."""
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["facts"])
        parameters = file.get_tensor("parameters")
    return ContentModel(
        config=recipe.terms.model,
        parameters=parameters,
        draws=facts["draws"],
        validation=tuple(facts["validation"]),
        steps=facts["steps"],
    )
