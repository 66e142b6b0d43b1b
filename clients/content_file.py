"""The content model of a bundle: from a release, for the topics of texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file, save

from clients.recommenders.base import Float32s
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
    """

    config: ContentConfig
    parameters: Float32s

    def store(self, path: Path) -> None:
        """Write the parameters, atomically, readable by the owner alone."""
        write_atomically(path, save({"parameters": self.parameters}), private=True)

    @classmethod
    def load(cls, path: Path, config: ContentConfig) -> ContentPart:
        """Read what `store` wrote."""
        return cls(config, load_file(path)["parameters"])
