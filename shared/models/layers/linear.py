"""A linear layer that can be trained privately."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from shared.models.layers.base import PrivateLayer, Recorder
from shared.models.layers.layout import Layout, layout_of
from shared.models.layers.outer_products import OuterProducts
from shared.models.packing import Packing


class Linear(PrivateLayer):
    """``x W' + b``, as `torch.nn.Linear`.

    Parameters
    ----------
    inputs, outputs
        Widths D and G.
    bias
        Whether to add b.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor, packing: Packing | None = None) -> Tensor:
        """Map every token.

        Parameters
        ----------
        x
            (S, D) packed tokens with their `packing`, (B, D) one row per user, or (B, T, D).

        Returns
        -------
        Tensor
            The same shape with G in place of D.
        """
        if self.recorder is None or not self.weight.requires_grad:
            return F.linear(x, self.weight, self.bias)
        layout = layout_of(x, packing, token_dims=1)
        y: Tensor = _Recorded.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.bias, self, self.recorder, layout
        )
        return y

    def frozen(self, x: Tensor) -> Tensor:
        """The same map without a gradient for its parameters: a critic that is not trained."""
        bias = None if self.bias is None else self.bias.detach()
        return F.linear(x, self.weight.detach(), bias)


class _Recorded(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: nn.Parameter,
        bias: nn.Parameter | None,
        layer: Linear,
        recorder: Recorder,
        layout: Layout,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.layer, ctx.recorder, ctx.layout = layer, recorder, layout
        return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        layer: Linear = ctx.layer
        rows = math.prod(x.shape[:-1])
        grad_x = gradient @ weight if ctx.needs_input_grad[0] else None
        delta = gradient.reshape(rows, weight.shape[0])
        inputs = ((layer.weight, x.reshape(rows, weight.shape[1])),)
        record = OuterProducts(delta, inputs, layer.bias, ctx.layout, scratch=ctx.recorder.scratch)
        ctx.recorder.add(layer, record)
        ctx.recorder = None  # else records keep the graph, and the graph records, alive
        return grad_x, None, None, None, None, None
