from __future__ import annotations

import numpy as np
import pytest

from shared.models.behaviour import BehaviourLSTM
from shared.models.behaviour_parameters import behaviour_schema, initial_parameters
from shared.models.config import BehaviourConfig
from shared.models.torch_parameters import read_vector, schema_of

CONFIGS = [
    BehaviourConfig(),
    BehaviourConfig(item_dim=16, adapter_dim=8, input_dim=4, hidden_dim=5, event_types=3),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_torch_free_schema_is_the_module_s(config: BehaviourConfig) -> None:
    model = BehaviourLSTM(config, seed=3)
    assert schema_of(model) == behaviour_schema(config)
    assert np.array_equal(read_vector(model), initial_parameters(config, 3))


def test_first_model_is_fixed_by_its_seed() -> None:
    config = CONFIGS[1]
    first = initial_parameters(config, 1)
    assert np.array_equal(first, initial_parameters(config, 1))
    assert not np.array_equal(first, initial_parameters(config, 2))


def test_only_forget_gates_start_open() -> None:
    config = CONFIGS[1]
    arrays = behaviour_schema(config).unflatten(initial_parameters(config, 0))
    bias = arrays["lstm.layers.0.bias"].reshape(4, -1)
    assert bias.mean(1).tolist() == [0, 0, 1, 0]
