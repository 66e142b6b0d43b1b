"""The LSTM recurrence on packed tokens, forward and backward, in few and large operations.

Hochreiter & Schmidhuber 1997 with forget gates (Gers et al. 2000). What makes it fast on a CPU:

* Gates stand in the order output, input, forget, candidate: the three gates whose gradient flows
  through the cell are side by side in the backward pass.
* ``tanh(a) = 2 sigmoid(2a) - 1``: the tensor library's sigmoid costs a fifth of its tanh, and with
  the candidate's weights doubled one call activates all four gates. The rounding error stays
  absolute, one unit in the last place of 1.
* Local derivatives are computed for several steps at once, in buffers that stay in the cache; the
  loops call the tensor library 9 times a step forward and 6 backward, which is what counts for
  small batches, and touch only users that are still alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

_CHUNK_ELEMENTS = 1 << 15
"""Size of the buffers of local derivatives: large enough to spread the cost of a call, small enough
(128 KB in float32) to stay in the cache."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What the backward pass needs of the forward pass.

    Attributes
    ----------
    gates
        (S, 4H) activated gates: output, input, forget, candidate.
    hidden
        (B' + S, H): zeros for the B' users alive at step 0, then every token's output.
    cells, squashed
        (S, H) cell states and their tanh.
    """

    gates: Tensor
    hidden: Tensor
    cells: Tensor
    squashed: Tensor


def run_forward(gates: Tensor, weight: Tensor, live: Sequence[int]) -> Trace:
    """Run the recurrence.

    Parameters
    ----------
    gates
        (S, 4H) input part of the pre-activations, the candidate's doubled; overwritten.
    weight
        (4H, H) recurrent weights, the candidate's doubled (see `doubled_candidate`).
    live
        Users alive at each step.
    """
    tokens, width = gates.shape[0], gates.shape[1] // 4
    first = live[0] if live else 0
    hidden = gates.new_empty(first + tokens, width)
    hidden[:first].zero_()
    cells, squashed = gates.new_empty(tokens, width), gates.new_empty(tokens, width)
    sizes = list(live)
    rows = _steps(gates, sizes)
    outs, ins, forgets, candidates = (_steps(gate, sizes) for gate in gates.chunk(4, 1))
    outputs, states, tanhs = (_steps(x, sizes) for x in (hidden[first:], cells, squashed))
    transposed = weight.t()
    minus_one = gates.new_tensor(-1.0)
    for t, size in enumerate(sizes):
        if t:
            rows[t].addmm_(outputs[t - 1][:size], transposed)
        rows[t].sigmoid_()
        torch.add(minus_one, candidates[t], alpha=2, out=candidates[t])
        torch.mul(ins[t], candidates[t], out=states[t])
        if t:
            states[t].addcmul_(forgets[t], states[t - 1][:size])
        torch.mul(states[t], 2, out=tanhs[t])
        tanhs[t].sigmoid_()
        torch.add(minus_one, tanhs[t], alpha=2, out=tanhs[t])
        torch.mul(outs[t], tanhs[t], out=outputs[t])
    return Trace(gates, hidden, cells, squashed)


def doubled_candidate(weight: Tensor) -> Tensor:
    """A copy of (4H, *) weights with the candidate's rows doubled."""
    doubled = weight.clone()
    doubled[3 * len(weight) // 4 :] *= 2
    return doubled


def run_backward(gradient: Tensor, trace: Trace, weight: Tensor, live: Sequence[int]) -> Tensor:
    """Gradient of the loss with respect to the pre-activations, (S, 4H), in place of the gates.

    Parameters
    ----------
    gradient
        (S, H) gradient with respect to every token's output.
    trace
        Of the forward pass; its gates are lost.
    weight
        (4H, H) recurrent weights as they are, nothing doubled.
    live
        Users alive at each step.
    """
    width = weight.shape[1]
    sizes = list(live)
    first = sizes[0] if sizes else 0
    delta = trace.gates
    rows, gradients = _steps(delta, sizes), _steps(gradient, sizes)
    outs, _, forgets, _ = (_steps(gate, sizes) for gate in delta.chunk(4, 1))
    through_cell = _steps(delta.view(len(delta), 4, width)[:, 1:], sizes)
    d_hidden = gradient.new_zeros(first, width)
    d_cell, d_next = gradient.new_zeros(first, width), gradient.new_zeros(first, width)
    local = _LocalDerivatives(trace, sizes)
    later = 0
    for begin, end in reversed(local.chunks):
        by_hidden, by_cell, cell_by_hidden = local.compute(begin, end)
        for t in range(end - 1, begin - 1, -1):
            size = sizes[t]
            if later:
                torch.addmm(gradients[t][:later], rows[t + 1], weight, out=d_hidden[:later])
            if size > later:
                d_hidden[later:size].copy_(gradients[t][later:])
            dh, dc = d_hidden[:size], d_cell[:size]
            dc.addcmul_(dh, cell_by_hidden[t - begin])
            torch.mul(dc, forgets[t], out=d_next[:size])
            torch.mul(dh, by_hidden[t - begin], out=outs[t])
            torch.mul(dc[:, None], by_cell[t - begin], out=through_cell[t])
            d_cell, d_next, later = d_next, d_cell, size
    return delta


class _LocalDerivatives:
    """Derivatives within single tokens, for some steps at a time, in buffers used again."""

    def __init__(self, trace: Trace, sizes: list[int]) -> None:
        self._trace, self._sizes = trace, sizes
        width = trace.cells.shape[1]
        self.chunks = _chunks(sizes, max(1, _CHUNK_ELEMENTS // max(width, 1)))
        self._starts = [0, *accumulate(sizes)]
        self._states = _steps(trace.cells, sizes)
        rows = max(
            (self._starts[end] - self._starts[begin] for begin, end in self.chunks), default=0
        )
        self._by_cell = trace.cells.new_empty(rows, 3, width)
        self._by_hidden = trace.cells.new_empty(rows, width)
        self._cell_by_hidden = trace.cells.new_empty(rows, width)

    def compute(self, begin: int, end: int) -> tuple[Sequence[Tensor], ...]:
        """Per step: d(output)/d(its gate), d(cell)/d(the three others), d(output)/d(cell)."""
        span = slice(self._starts[begin], self._starts[end])
        sizes = self._sizes[begin:end]
        out, into, forget, candidate = self._trace.gates[span].chunk(4, 1)
        squashed = self._trace.squashed[span]
        count = len(squashed)
        by_cell, by_hidden = self._by_cell[:count], self._by_hidden[:count]
        cell_by_hidden = self._cell_by_hidden[:count]
        sigmoid, tanh = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward
        sigmoid.grad_input(squashed, out, grad_input=by_hidden)
        tanh.grad_input(out, squashed, grad_input=cell_by_hidden)
        sigmoid.grad_input(candidate, into, grad_input=by_cell[:, 0])
        tanh.grad_input(into, candidate, grad_input=by_cell[:, 2])
        by_forget, forgets = _steps(by_cell[:, 1], sizes), _steps(forget, sizes)
        for t in range(begin, end):
            if t:
                before = self._states[t - 1][: self._sizes[t]]
                here = t - begin
                sigmoid.grad_input(before, forgets[here], grad_input=by_forget[here])
            else:
                by_forget[0].zero_()
        return _steps(by_hidden, sizes), _steps(by_cell, sizes), _steps(cell_by_hidden, sizes)


def _steps(tokens: Tensor, sizes: list[int]) -> Sequence[Tensor]:
    """Views of the tokens of each step."""
    return torch.split_with_sizes(tokens, sizes)


def _chunks(sizes: list[int], limit: int) -> list[tuple[int, int]]:
    """Runs of steps with at most `limit` tokens, or a single step."""
    chunks: list[tuple[int, int]] = []
    begin = rows = 0
    for t, size in enumerate(sizes):
        if t > begin and rows + size > limit:
            chunks.append((begin, t))
            begin, rows = t, 0
        rows += size
    if sizes:
        chunks.append((begin, len(sizes)))
    return chunks
