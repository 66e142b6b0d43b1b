"""How a node trains for itself; section ``[training]`` of ``node.toml``."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shared.config import StrictModel
from shared.models.config import BehaviourConfig

DEVICE: Final = r"^(auto|cpu|cuda(:(0|[1-9]\d{0,2}))?)$"
"""What ``device`` may say."""


class PersonalisationConfig(StrictModel):
    """How a node fine-tunes for itself. Defaults: see docs/models.md for the measurements."""

    text_learning_rate: Annotated[float, Field(ge=0)] = 1e-3
    """Of the shared parameters' copy (Adam) while item vectors are what the text says; 0 leaves
    this stage out."""
    learning_rate: Annotated[float, Field(ge=0)] = 3e-3
    """Of the shared parameters' copy (Adam) while item residuals are trained with it."""
    residual_rate: Annotated[float, Field(ge=0)] = 1e-3
    """Of the item residuals (Adam); 0 leaves this stage out."""
    batch_users: Annotated[int, Field(ge=1)] = 256
    """Users in a step."""
    negatives: Annotated[int, Field(ge=1)] = 1024
    """Items against which a target is compared in larger catalogues."""
    max_steps: Annotated[int, Field(ge=0)] = 400
    """Most steps of a stage, whatever validation says."""
    check_every: Annotated[int, Field(ge=1)] = 20
    """Steps between two looks at validation."""
    patience: Annotated[int, Field(ge=1)] = 3
    """Looks without improvement after which training stops."""
    validation_users: Annotated[int, Field(ge=1)] = 2000
    """Users looked at; all of them if there are fewer."""
    popularity_scales: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    """Scales of the log-popularity bias among which validation chooses."""


class ContentTuning(StrictModel):
    """How a node fine-tunes the content model for itself."""

    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    """Of Adam."""
    batch_users: Annotated[int, Field(ge=1)] = 256
    """Users in a step."""
    negatives: Annotated[int, Field(ge=1)] = 1024
    """Items against which a following item is compared in larger catalogues."""
    max_steps: Annotated[int, Field(ge=0)] = 200
    """Most steps, whatever validation says; 0 leaves the model as it is."""
    check_every: Annotated[int, Field(ge=1)] = 25
    """Steps between two looks at validation."""
    patience: Annotated[int, Field(ge=1)] = 2
    """Looks without improvement after which training stops."""
    validation_users: Annotated[int, Field(ge=1)] = 1000
    """Users looked at; all of them if there are fewer."""
    draws: Annotated[int, Field(ge=0)] = 4
    """Contents generated for each user."""


class TrainingConfig(StrictModel):
    """What `isthmus-node train` does."""

    model: BehaviourConfig = BehaviourConfig()
    """Shape of the behaviour model; a federation's plan fixes it for all partners."""
    personalisation: PersonalisationConfig = PersonalisationConfig()
    """How the model is fitted to this platform."""
    content: ContentTuning = ContentTuning()
    """How the content model of a federated release is fitted to this platform."""
    device: Annotated[str, Field(pattern=DEVICE)] = "auto"
    """Where to train: auto (CUDA where torch sees it, else the CPU), cpu, cuda or cuda:N."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of first weights, batches and samples; nothing here needs secrecy, since nothing leaves."""
