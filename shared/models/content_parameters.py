"""Schema and first values of the content VAE-GAN's shared parameters, without torch.

As for the behaviour model: the coordinator proposes the first global model and has no torch, and a
public seed in the plan fixes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np

from shared.models.config import ContentConfig
from shared.models.parameters import Float32s, ParameterSchema


def content_schema(config: ContentConfig) -> ParameterSchema:
    """Names and shapes of `ContentVAEGAN`'s parameters, in order."""
    d, z = config.item_dim, config.latent_dim
    networks = {"encoder": (d, 2 * z), "generator": (z, d), "discriminator": (d, 1)}
    return ParameterSchema(
        tuple(
            entry
            for name, (inputs, outputs) in networks.items()
            for entry in _perceptron(name, inputs, config.hidden_dim, outputs)
        )
    )


def initial_content(config: ContentConfig, seed: int) -> Float32s:
    """First content model (P,): uniform by fan-in, biases zero, generated correction small."""
    schema = content_schema(config)
    random = np.random.default_rng(seed)
    arrays = {name: _first_value(shape, random) for name, shape in schema.entries}
    arrays["generator.last.weight"] *= np.float32(config.output_gain)
    return schema.flatten(arrays)


def _perceptron(
    name: str, inputs: int, hidden: int, outputs: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    layers = {"first": (hidden, inputs), "second": (hidden, hidden), "last": (outputs, hidden)}
    for layer, shape in layers.items():
        yield f"{name}.{layer}.weight", shape
        yield f"{name}.{layer}.bias", shape[:1]


def _first_value(shape: tuple[int, ...], random: np.random.Generator) -> Float32s:
    if len(shape) == 1:
        return np.zeros(shape, dtype=np.float32)
    bound = 1.0 / sqrt(shape[1])
    return random.uniform(-bound, bound, shape).astype(np.float32)
