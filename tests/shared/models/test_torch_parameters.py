from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from shared.models.errors import ParameterVectorError
from shared.models.torch_parameters import load_vector, read_vector, schema_of


def module() -> nn.Module:
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    net[1].bias.requires_grad_(False)
    return net


def test_load_and_read_are_inverse_and_skip_frozen_parameters() -> None:
    net = module()
    vector = np.arange(10, dtype=np.float32)
    load_vector(net, vector)
    assert schema_of(net).size == 10
    assert np.array_equal(read_vector(net), vector)
    assert torch.equal(net[0].weight, torch.arange(6.0).reshape(2, 3))


def test_the_vector_read_is_a_copy() -> None:
    net = module()
    vector = read_vector(net)
    vector += 1
    assert not np.array_equal(read_vector(net), vector)


def test_a_refused_vector_leaves_the_module_unchanged() -> None:
    net = module()
    before = read_vector(net)
    bad = np.full(10, np.nan, dtype=np.float32)
    with pytest.raises(ParameterVectorError):
        load_vector(net, bad)
    assert np.array_equal(read_vector(net), before)
