"""How a node trains for itself; section ``[training]`` of ``node.toml``."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shared.config import StrictModel
from shared.models.config import BehaviourConfig, ContentConfig, ContentShape

DEVICE: Final = r"^(auto|cpu|cuda(:(0|[1-9]\d{0,2}))?)$"
"""What ``device`` may say."""


_Count = Annotated[int, Field(ge=1)]
_Steps = Annotated[
    int,
    Field(
        ge=0,
        description="Most steps of a stage, whatever validation says; 0 leaves the model as it is.",
    ),
]
_CheckEvery = Annotated[int, Field(ge=1, description="Steps between two looks at validation.")]
_Patience = Annotated[
    int, Field(ge=1, description="Looks without improvement after which training stops.")
]
_Users = Annotated[int, Field(ge=1, description="Users looked at; all of them if there are fewer.")]


class FittingConfig(StrictModel):
    """Steps on batches of users until the platform's own validation items are ranked no better."""

    batch_users: _Count = 256
    """Users in a step."""
    negatives: _Count = 1024
    """Items against which a target is compared in larger catalogues."""
    max_steps: _Steps
    check_every: _CheckEvery
    patience: _Patience
    validation_users: _Users


class PersonalisationConfig(FittingConfig):
    """How a node fine-tunes for itself. Defaults: see docs/models.md for the measurements."""

    max_steps: _Steps = 400
    check_every: _CheckEvery = 20
    patience: _Patience = 3
    validation_users: _Users = 2000
    text_learning_rate: Annotated[float, Field(ge=0)] = 1e-3
    """Of the shared parameters' copy (Adam) while item vectors are what the text says; 0 leaves
    this stage out."""
    learning_rate: Annotated[float, Field(ge=0)] = 3e-3
    """Of the shared parameters' copy (Adam) while item residuals are trained with it."""
    residual_rate: Annotated[float, Field(ge=0)] = 1e-3
    """Of the item residuals (Adam); 0 leaves this stage out."""
    popularity_scales: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    """Scales of the log-popularity bias among which validation chooses."""


class ContentTuning(FittingConfig):
    """How a node trains a content model for itself, from a release or from first weights."""

    max_steps: _Steps = 200
    check_every: _CheckEvery = 25
    patience: _Patience = 2
    validation_users: _Users = 1000
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    """Of Adam."""
    draws: Annotated[int, Field(ge=0)] = 4
    """Contents generated for each user."""


class TrainingConfig(StrictModel):
    """What `isthmus-node train` does."""

    model: BehaviourConfig = BehaviourConfig()
    """Shape of the behaviour model; a federation's plan fixes it for all partners."""
    personalisation: PersonalisationConfig = PersonalisationConfig()
    """How the model is fitted to this platform."""
    own_content: bool = False
    """Whether to train a content VAE-GAN on the platform's own users, with no release needed: a
    part of the fusion. Lists did not gain where it was measured."""
    content_model: ContentShape = ContentShape()
    """Shape of the own content model; where a release has a content model, its plan's."""
    content: ContentTuning = ContentTuning()
    """How the own content model, and that of a federated release, are fitted to this platform."""
    device: Annotated[str, Field(pattern=DEVICE)] = "auto"
    """Where to train: auto (CUDA where torch sees it, else the CPU), cpu, cuda or cuda:N."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of first weights, batches and samples; nothing here needs secrecy, since nothing leaves."""

    @property
    def content_shape(self) -> ContentConfig:
        """Shape of the own content model, in the item space of `model`."""
        shape = self.content_model.model_dump(exclude={"item_dim"})
        return ContentConfig(item_dim=self.model.item_dim, **shape)
