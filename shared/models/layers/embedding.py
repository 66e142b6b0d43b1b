"""A lookup table that can be trained privately: event types and other small vocabularies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from shared.models.layers.base import PrivateLayer, Record, Recorder, Sums
from shared.models.layers.layout import Layout, Owners, layout_of
from shared.models.packing import Packing


class Embedding(PrivateLayer):
    """Row `index` of a table, as `torch.nn.Embedding`.

    Parameters
    ----------
    count, width
        Rows N and columns D of the table.
    """

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count, width))

    def forward(self, index: Tensor, packing: Packing | None = None) -> Tensor:
        """Look up (S,) packed indices with their `packing`, (B,) or (B, T) → (*, D)."""
        if self.recorder is None or not self.weight.requires_grad:
            return F.embedding(index, self.weight)
        layout = layout_of(index, packing, token_dims=0)
        rows: Tensor = _Recorded.apply(  # type: ignore[no-untyped-call]
            index, self.weight, self, self.recorder, layout
        )
        return rows


class _Recorded(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        index: Tensor,
        weight: nn.Parameter,
        layer: Embedding,
        recorder: Recorder,
        layout: Layout,
    ) -> Tensor:
        ctx.index, ctx.layer, ctx.recorder, ctx.layout = index, layer, recorder, layout
        return F.embedding(index, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, ...]:
        index = ctx.index.reshape(ctx.index.numel())
        delta = gradient.reshape(index.numel(), gradient.shape[-1])
        ctx.recorder.add(ctx.layer, Lookups(delta, index, ctx.layer.weight, ctx.layout))
        ctx.recorder = None  # else records keep the graph, and the graph records, alive
        return (None,) * 5


@dataclass(frozen=True, eq=False)
class Lookups:
    """Gradients of every user with respect to the rows that it looked up.

    Attributes
    ----------
    delta
        (S, D) gradient of the loss with respect to each looked-up row.
    index
        (S,) row of the table at each token.
    weight
        The table.
    layout
        Who owns which token.
    """

    delta: Tensor
    index: Tensor
    weight: nn.Parameter
    layout: Owners

    @property
    def users(self) -> int:
        """B."""
        return self.layout.users

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """The table."""
        return (self.weight,)

    def squared_norms(self) -> Tensor:
        """(B,); a user's tokens that share a row are summed before squaring."""
        everyone = torch.arange(self.users, device=self.index.device)
        owner = self.layout.spread(everyone)
        pairs, token_pair = torch.unique(
            owner * self.weight.shape[0] + self.index, return_inverse=True
        )
        wide = self.delta.to(torch.promote_types(self.delta.dtype, torch.float32))
        sums = wide.new_zeros(len(pairs), wide.shape[1]).index_add_(0, token_pair, wide)
        users = pairs // self.weight.shape[0]
        return sums.new_zeros(self.users).index_add_(0, users, sums.square().sum(1))

    def add_weighted(self, weights: Tensor, kept: Tensor | None, into: Sums) -> None:
        """Add the clipped sum to the table's."""
        if self.weight not in into:
            return
        total = into[self.weight]
        # at least float32: rounding a user's share up would let more than C through
        delta = self.delta.to(total.dtype) * self.layout.spread(weights)[:, None].to(total.dtype)
        index = self.index
        if kept is not None:
            rows = self.layout.spread(kept).nonzero().squeeze(1)
            delta, index = delta.index_select(0, rows), index.index_select(0, rows)
        total.index_add_(0, index, delta)

    def join(self, other: Record) -> Record:
        """Both calls as positions of the same users."""
        if not isinstance(other, Lookups) or other.users != self.users:
            raise ValueError("records of one layer belong to the same users")
        return Lookups(
            torch.cat([self.delta, other.delta]),
            torch.cat([self.index, other.index]),
            self.weight,
            _Both(self.layout, other.layout),
        )


@dataclass(frozen=True, eq=False)
class _Both:
    """Tokens of one layout, then those of another, of the same users."""

    first: Owners
    second: Owners

    @property
    def users(self) -> int:
        return self.first.users

    def spread(self, values: Tensor) -> Tensor:
        return torch.cat([self.first.spread(values), self.second.spread(values)])
