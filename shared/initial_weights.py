"""Public weights from which a plan's behaviour model starts, in place of those of a seed.

They are trained beforehand on data that no partner owns. A plan records what they were trained on
and their digest; coordinator and nodes each hold the file and compare the digest before use, so
nobody can start a federation from other weights than those that were agreed on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from shared.config import StrictModel
from shared.errors import ModelError, in_words
from shared.files import write_atomically
from shared.hashing import Digest
from shared.models.parameters import Float32s, ParameterSchema

if TYPE_CHECKING:
    from shared.plan import TrainingPlan


class InitialWeightsError(ModelError):
    """The pre-trained weights of a plan are missing, or are not those that it names."""

    code = "MODEL-105"
    default_remedy = "put the file that the plan's digest names into the folder `initial`"


class InitialWeights(StrictModel):
    """Which weights; part of the plan."""

    source: Annotated[str, Field(min_length=1, max_length=500)]
    """What they were trained on, for the people who approve the plan: public data only."""
    digest: Digest
    """SHA-256 over shapes and values of the behaviour model's parameters."""


def store_initial(folder: Path, schema: ParameterSchema, vector: Float32s) -> str:
    """Write weights (P,) where `read_initial` finds them; returns their digest.

    Raises
    ------
    ParameterVectorError
        `vector` does not fit `schema`.
    """
    name = schema.digest(vector).hex()
    write_atomically(folder / f"{name}.safetensors", save({"parameters": vector}))
    return name


def read_initial(folder: Path, plan: TrainingPlan) -> Float32s | None:
    """The (P,) weights that `plan` names; None where it starts from its seed.

    Raises
    ------
    InitialWeightsError
        The file is missing, damaged or holds other weights.
    """
    if plan.initial_weights is None:
        return None
    path = folder / f"{plan.initial_weights.digest}.safetensors"
    try:
        vector = np.asarray(load_file(path)["parameters"])
    except (OSError, KeyError, SafetensorError) as error:
        problem = f"no weights: {in_words(error, 'the file is missing or damaged')}"
        raise InitialWeightsError(problem, where=str(path)) from error
    plan.check_initial(vector)
    return vector
