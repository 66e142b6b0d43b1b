"""Between a torch module and the flat vector of its parameters."""

from __future__ import annotations

import torch
from torch import nn

from shared.models.parameters import Float32s, ParameterSchema


def schema_of(module: nn.Module) -> ParameterSchema:
    """Schema of the module's trainable parameters, in the order in which it declares them."""
    named = module.named_parameters()
    return ParameterSchema(tuple((name, tuple(p.shape)) for name, p in named if p.requires_grad))


def read_vector(module: nn.Module) -> Float32s:
    """Copy the module's trainable parameters into a (P,) float32 vector."""
    named = module.named_parameters()
    arrays = {name: p.detach().cpu().numpy() for name, p in named if p.requires_grad}
    return schema_of(module).flatten(arrays)


def load_vector(module: nn.Module, vector: Float32s) -> None:
    """Set the module's trainable parameters from a (P,) float32 vector.

    Raises
    ------
    ParameterVectorError
        The vector does not fit or holds values that are not finite; the module is unchanged.
    """
    arrays = schema_of(module).unflatten(vector)
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, array in arrays.items():
            parameters[name].copy_(torch.from_numpy(array.copy()))
