"""A content model of a bundle: the node's own, or a release's fitted to the platform.

It never leaves the node. It is a part of the fusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save
from torch import Tensor

from clients.recommenders.base import Arrays, Float32s
from clients.recommenders.content import ContentScorer, OneContentScorer
from shared.files import write_atomically
from shared.models.config import ContentConfig


@dataclass(frozen=True, slots=True)
class ContentPart:
    """A content VAE-GAN.

    Attributes
    ----------
    config
        Its shape.
    parameters
        (P,) float32.
    draws
        Contents generated for each user when it scores; 0 for the one of the mean latent, which
        alone can be asked about some items of a large catalogue.
    """

    config: ContentConfig
    parameters: Float32s
    draws: int = 0

    def scorer(self, vectors: Tensor) -> ContentScorer:
        """The model on a catalogue with `vectors` (N, d)."""
        if not self.draws:
            return OneContentScorer(self.config, self.parameters, vectors)
        return ContentScorer(self.config, self.parameters, vectors, draws=self.draws)

    def store(self, path: Path) -> None:
        """Write the model, atomically, readable by the owner alone."""
        tensors: Arrays = {
            "parameters": np.ascontiguousarray(self.parameters),
            "draws": np.array([self.draws], dtype=np.int64),
        }
        write_atomically(path, save(tensors), private=True)

    @classmethod
    def load(cls, path: Path, config: ContentConfig) -> ContentPart:
        """Read what `store` wrote; files of bundles without this part of the fusion name no draws.

        Raises
        ------
        KeyError
            There are no parameters in it.
        """
        tensors = load_file(path)
        draws = int(tensors["draws"][0]) if "draws" in tensors else 0
        return cls(config, tensors["parameters"], draws)
