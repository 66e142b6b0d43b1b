"""Schema and first values of the behaviour model's shared parameters, without torch.

The coordinator proposes the first global model and has no torch, so initialisation lives here and
`BehaviourLSTM` loads it. Initial weights are public: a seed in the plan fixes them.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from shared.models.config import GAP_BUCKETS, BehaviourConfig
from shared.models.parameters import Float32s, ParameterSchema


def behaviour_schema(config: BehaviourConfig) -> ParameterSchema:
    """Names and shapes of `BehaviourLSTM`'s parameters, in order."""
    space, width, hidden = config.adapter_dim, config.input_dim, config.hidden_dim
    return ParameterSchema(
        (
            ("adapter.weight", (width, space)),
            ("adapter.bias", (width,)),
            ("event_type.weight", (config.event_types, width)),
            ("gap.weight", (GAP_BUCKETS, width)),
            ("lstm.layers.0.weight_ih", (4 * hidden, width)),
            ("lstm.layers.0.weight_hh", (4 * hidden, hidden)),
            ("lstm.layers.0.bias", (4 * hidden,)),
            ("correction.weight", (space, hidden)),
            ("correction.bias", (space,)),
            ("next_event.weight", (config.event_types, hidden)),
            ("next_event.bias", (config.event_types,)),
        )
    )


def initial_parameters(config: BehaviourConfig, seed: int) -> Float32s:
    """First global model (P,): uniform by fan-in, forget gates open, correction near zero.

    The forget bias of one is from Jozefowicz et al. (ICML 2015).
    """
    schema = behaviour_schema(config)
    random = np.random.default_rng(seed)
    arrays = {name: _first_value(name, shape, random) for name, shape in schema.entries}
    hidden = config.hidden_dim
    arrays["lstm.layers.0.bias"][2 * hidden : 3 * hidden] = 1.0  # gates: out, in, forget, new
    arrays["correction.weight"] *= np.float32(config.correction_gain)
    return schema.flatten(arrays)


def _first_value(name: str, shape: tuple[int, ...], random: np.random.Generator) -> Float32s:
    if name.endswith("bias"):
        return np.zeros(shape, dtype=np.float32)
    if name in ("event_type.weight", "gap.weight"):
        return (0.1 * random.standard_normal(shape)).astype(np.float32)
    bound = 1.0 / sqrt(shape[-1])
    return random.uniform(-bound, bound, shape).astype(np.float32)
