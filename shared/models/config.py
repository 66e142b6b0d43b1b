"""What the plan fixes about the item space and the behaviour model (no torch)."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from shared.config import StrictModel
from shared.contract import EVENT_TYPES

GAP_BUCKETS: Final = 16
"""Buckets of the time between two events; bucket 0 means that it is not known."""


class EncoderChoice(StrictModel):
    """The text encoder that all partners of a plan use."""

    name: str = "use-multilingual"
    """Name in the registry of encoders."""
    fingerprint: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Fingerprint that every node demands; empty accepts what is installed (research only)."""


class ModalityTerms(StrictModel):
    """A feature column that is a block of the item vector, after the texts'."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
    """Name of the column at every partner."""
    dim: Annotated[int, Field(ge=1, le=1024)]
    """Width of its block; less than the column's is a public random projection."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Its share of the item vector's squared length, texts weighing 1."""
    encoder: Annotated[str, Field(max_length=200)] = ""
    """What makes its vectors, name and version; a node that declares another one refuses. Empty
    accepts any, which makes sense at one platform alone."""


class BehaviourConfig(StrictModel):
    """Shape of the shared behaviour model. Defaults: see docs/models.md for the measurements."""

    item_dim: Annotated[int, Field(ge=8, le=1024)] = 512
    """Length d of an item vector; less than the encoder's is a public random projection."""
    modalities: tuple[ModalityTerms, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Feature columns (images, audio, ...) beside the texts, which get what is left of
    `item_dim`."""
    adapter_dim: Annotated[int, Field(ge=4, le=1024)] = 512
    """Dimensions of the public subspace in which the LSTM reads items and corrects the query; as
    many as an item has: the whole space. Fewer mean fewer noisy parameters, but learn less, with
    and without privacy."""
    whitening: Annotated[float, Field(gt=0)] = 0.3
    """Share of the mean eigenvalue added before whitening; large values only centre."""
    input_dim: Annotated[int, Field(ge=4, le=512)] = 64
    """Width of the LSTM's input: the rank of the adapter that reads item vectors."""
    hidden_dim: Annotated[int, Field(ge=4, le=1024)] = 64
    """Hidden units H of the LSTM."""
    profile_decay: Annotated[float, Field(ge=0, lt=1)] = 0.6
    """Weight of an event in the profile relative to the next younger one."""
    profile_scale: Annotated[float, Field(gt=0)] = 10.0
    """Length of the profile's part of the query: an inverse temperature of the softmax."""
    correction_gain: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Factor on the output adapter's first weights: training starts at the profile's quality."""
    event_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the next-event-type loss beside the next-item loss."""
    event_types: Annotated[int, Field(ge=1)] = len(EVENT_TYPES)
    """Rows of the event-type embedding: the vocabulary of the data contract."""
    history_length: Annotated[int, Field(ge=2, le=1000)] = 50
    """Most recent events of a user that the model reads."""

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        names = [modality.name for modality in self.modalities]
        if len(set(names)) < len(names):
            raise ValueError("modalities must differ in name")
        if self.text_dim < 1:
            raise ValueError(f"item_dim {self.item_dim} leaves no room for texts")
        return self

    @property
    def text_dim(self) -> int:
        """Width of the texts' block of an item vector."""
        return self.item_dim - sum(modality.dim for modality in self.modalities)


class ContentShape(StrictModel):
    """Shape and loss weights of the content VAE-GAN in any item space. Defaults: docs/models.md."""

    latent_dim: Annotated[int, Field(ge=1, le=1024)] = 32
    """Width of a latent."""
    hidden_dim: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width of the hidden layers of all three networks."""
    profile_decay: Annotated[float, Field(ge=0, lt=1)] = 0.6
    """Weight of an event in the profile relative to the next younger one."""
    profile_scale: Annotated[float, Field(ge=0)] = 10.0
    """Length of the profile's part of generated content: an inverse temperature of retrieval."""
    output_gain: Annotated[float, Field(gt=0)] = 0.3
    """Factor on the generator's last weights at the start: training starts at the profile."""
    history_length: Annotated[int, Field(ge=2, le=1000)] = 16
    """Most recent events of a user that profiles are made of."""
    profiles_per_user: Annotated[int, Field(ge=1, le=64)] = 4
    """Training profiles of one user: each is followed by the content that it should generate."""
    kl_weight: Annotated[float, Field(ge=0)] = 0.03
    """Weight of the divergence from the prior; too large and the posterior collapses."""
    adversarial_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of fooling the discriminator in the generator's loss; 0 with a
    `discriminator_weight` of 0 leaves a plain VAE (for comparison)."""
    discriminator_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the discriminator's loss: its share of the common clipping norm."""


class ContentConfig(ContentShape):
    """The same in one item space."""

    item_dim: Annotated[int, Field(ge=1)] = 512
    """Width of item vectors, profiles and content: that of the behaviour model in one plan."""
