"""An LSTM on packed sequences that can be trained privately."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from shared.models.layers.base import PrivateLayer, Recorder
from shared.models.layers.layout import Ragged
from shared.models.layers.outer_products import OuterProducts
from shared.models.layers.recurrence import Trace, doubled_candidate, run_backward, run_forward
from shared.models.packing import Packing, PackingError


class LSTM(nn.Module):
    """Stacked LSTM layers with one bias each.

    `torch.nn.LSTM` has two biases per layer whose sum alone matters; under clipping the second
    would double a user's bias gradient and the noise on it.

    Parameters
    ----------
    inputs, hidden
        Widths D of the tokens and H of the states.
    layers
        Number of layers.
    dropout
        Probability of zeroing an output between layers; never inside the recurrence and never
        after the last layer.
    """

    def __init__(self, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        widths = [inputs] + [hidden] * (layers - 1)
        self.layers = nn.ModuleList(LSTMLayer(width, hidden) for width in widths)
        self.hidden, self.dropout = hidden, dropout

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Outputs (S, H) of the last layer at the packed tokens `x` (S, D)."""
        for index, layer in enumerate(self.layers):
            if index:
                x = F.dropout(x, self.dropout, self.training)
            x = layer(x, packing)
        return x

    def step(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Advance B users by one token each, without recording; for serving.

        Parameters
        ----------
        x
            (B, D) tokens.
        state
            (layers, 2, B, H) hidden and cell states, None before the first token.

        Returns
        -------
        (B, H) outputs and the new state.
        """
        if state is None:
            state = x.new_zeros(len(self.layers), 2, x.shape[0], self.hidden)
        after = []
        for layer, (hidden, cell) in zip(self.layers, state, strict=True):
            x, cell = cast(LSTMLayer, layer).step(x, hidden, cell)
            after.append(torch.stack([x, cell]))
        return x, torch.stack(after)

    @torch.no_grad()
    def final(self, x: Tensor, packing: Packing) -> Tensor:
        """State (layers, 2, B, H) of each user after its last token of `x` (S, D)."""
        after = []
        for layer in self.layers:
            x, cells = cast(LSTMLayer, layer).traced(x, packing)
            after.append(torch.stack([packing.last(x), packing.last(cells)]))
        return torch.stack(after)


class LSTMLayer(PrivateLayer):
    """One layer; gates in the order output, input, forget, candidate.

    Parameters
    ----------
    inputs, hidden
        Widths D and H.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(hidden)
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        bias = torch.zeros(4 * hidden)
        bias[2 * hidden : 3 * hidden] = 1  # remember by default (Jozefowicz et al. 2015)
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Outputs (S, H) at the packed tokens `x` (S, D)."""
        if x.dim() != 2 or x.shape[0] != packing.tokens:
            raise PackingError(f"shape {tuple(x.shape)} for {packing.tokens} packed tokens")
        recorder = self.recorder if self.weight_ih.requires_grad else None
        weights = (self.weight_ih, self.weight_hh, self.bias)
        hidden: Tensor = _Recurrence.apply(  # type: ignore[no-untyped-call]
            x, *weights, packing, self, recorder
        )
        return hidden

    def traced(self, x: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
        """Outputs and cell states (S, H) at the packed tokens `x` (S, D), without gradients."""
        gates = torch.addmm(doubled_candidate(self.bias), x, doubled_candidate(self.weight_ih).t())
        trace = run_forward(gates, _recurrent(self.weight_hh), packing.live)
        first = packing.live[0] if packing.live else 0
        return trace.hidden[first:], trace.cells

    def step(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One token of B users: the new hidden and cell states (B, H)."""
        gates = torch.addmm(self.bias, x, self.weight_ih.t()) + hidden @ self.weight_hh.t()
        out, into, forget, candidate = gates.chunk(4, 1)
        cell = forget.sigmoid() * cell + into.sigmoid() * candidate.tanh()
        return out.sigmoid() * cell.tanh(), cell


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight_ih: nn.Parameter,
        weight_hh: nn.Parameter,
        bias: nn.Parameter,
        packing: Packing,
        layer: LSTMLayer,
        recorder: Recorder | None,
    ) -> Tensor:
        gates = torch.addmm(doubled_candidate(bias), x, doubled_candidate(weight_ih).t())
        trace = run_forward(gates, _recurrent(weight_hh), packing.live)
        ctx.save_for_backward(x, weight_ih, weight_hh)
        ctx.trace, ctx.packing, ctx.layer, ctx.recorder = trace, packing, layer, recorder
        return trace.hidden[packing.live[0] :] if packing.live else trace.hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_ih, weight_hh = ctx.saved_tensors
        packing: Packing = ctx.packing
        trace: Trace = ctx.trace
        ctx.trace = None  # its gates become the deltas: a second backward pass must fail
        delta = run_backward(gradient.contiguous(), trace, weight_hh, packing.live)
        before = _previous_hidden(trace, packing)
        grad_x = delta @ weight_ih if ctx.needs_input_grad[0] else None
        layer: LSTMLayer = ctx.layer
        if ctx.recorder is None:
            sums = (delta.t() @ x, delta.t() @ before, delta.sum(0))
            return grad_x, *sums, None, None, None
        inputs = ((layer.weight_ih, x), (layer.weight_hh, before))
        record = OuterProducts(
            delta,
            inputs,
            layer.bias,
            Ragged(packing),
            owned=True,
            scratch=ctx.recorder.scratch,
        )
        ctx.recorder.add(layer, record)
        ctx.recorder = None  # else records keep the graph, and the graph records, alive
        return grad_x, None, None, None, None, None, None


def _recurrent(weight: Tensor) -> Tensor:
    """(4H, H) weights as `run_forward` multiplies with them, a sixth faster than as a view."""
    return doubled_candidate(weight).t().contiguous()


def _previous_hidden(trace: Trace, packing: Packing) -> Tensor:
    """(S, H) output before each token, zero at each user's first."""
    if not packing.tokens:
        return trace.hidden
    if packing.live[-1] == packing.live[0]:
        return trace.hidden[: packing.tokens]
    first = packing.live[0]
    later = trace.hidden.index_select(0, packing.previous + first)
    return torch.cat([trace.hidden[:first], later])
