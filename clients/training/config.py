"""How a node trains for itself; section ``[training]`` of ``node.toml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clients.training.personalise import PersonalisationConfig
from shared.config import StrictModel
from shared.models.config import BehaviourConfig


class TrainingConfig(StrictModel):
    """What `isthmus-node train --local` does."""

    model: BehaviourConfig = BehaviourConfig()
    """Shape of the behaviour model; a federation's plan fixes it for all partners."""
    personalisation: PersonalisationConfig = PersonalisationConfig()
    """How the model is fitted to this platform."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of first weights, batches and samples; nothing here needs secrecy, since nothing leaves."""
