"""An LSTM that was not fitted to the platform as one file of a bundle: untrained, or released.

It reads the items' vectors as texts and features give them. Those of the node's own model, which
has a file of its own, are the same unless residuals were trained on them; vectors are written only
where they differ from another model's, since a large catalogue's take gigabytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save

from clients.training.personalise import PersonalModel, untouched
from shared.files import write_atomically
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix


def store(path: Path, model: PersonalModel, own: ItemMatrix) -> None:
    """Write a model, atomically, readable by the owner alone.

    Parameters
    ----------
    own
        Items of another model in the same bundle.
    """
    tensors = {"parameters": np.ascontiguousarray(model.parameters)}
    if not torch.equal(model.items.vectors, own.vectors):
        tensors["vectors"] = np.ascontiguousarray(model.items.vectors.numpy())
    write_atomically(path, save(tensors), private=True)


def load(path: Path, config: BehaviourConfig, own: ItemMatrix) -> PersonalModel:
    """Read what `store` wrote beside the same items `own`.

    Raises
    ------
    KeyError
        There are no parameters in it.
    """
    tensors = load_file(path)
    kept = tensors.get("vectors")
    vectors = own.vectors if kept is None else torch.from_numpy(kept)
    return untouched(config, tensors["parameters"], vectors)
