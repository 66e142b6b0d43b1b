"""A personal model as one file, so that it can be served and is not trained twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save

from clients.training.personalise import PersonalModel
from shared.files import write_atomically
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix


def kept(path: Path, config: BehaviourConfig, train: Callable[[], PersonalModel]) -> PersonalModel:
    """The model in `path`; trained and stored first when it is not there."""
    if not path.exists():
        store(path, train())
    return load(path, config)


def store(path: Path, model: PersonalModel) -> None:
    """Write a model as safetensors, atomically, readable by the owner alone."""
    tensors = {"parameters": model.parameters, "vectors": model.items.vectors.numpy()}
    if model.items.bias is not None:
        tensors["bias"] = model.items.bias.numpy()
    facts = {
        "validation": model.validation,
        "steps": model.steps,
        "popularity_scale": model.popularity_scale,
    }
    data = save(
        {name: np.ascontiguousarray(t) for name, t in tensors.items()},
        metadata={"facts": json.dumps(facts)},
    )
    write_atomically(path, data, private=True)


def load(path: Path, config: BehaviourConfig) -> PersonalModel:
    """Read what `store` wrote for a model of shape `config`."""
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["facts"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    bias = tensors.get("bias")
    items = ItemMatrix(
        vectors=torch.from_numpy(tensors["vectors"]),
        bias=None if bias is None else torch.from_numpy(bias),
    )
    return PersonalModel(
        config=config,
        parameters=tensors["parameters"],
        items=items,
        validation=tuple(facts["validation"]),
        steps=facts["steps"],
        popularity_scale=facts["popularity_scale"],
    )
