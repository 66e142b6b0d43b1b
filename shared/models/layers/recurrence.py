"""The LSTM recurrence on packed tokens, forward and backward, in few and large operations.

Hochreiter & Schmidhuber 1997 with forget gates (Gers et al. 2000); gates stand in the order
output, input, forget, candidate: the three sigmoids side by side in the forward pass, and the three
gates whose gradient flows through the cell side by side in the backward pass. The loops touch only
users that are still alive, and call the tensor library 7 times a step forward and 5 backward, which
is what counts for small batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_CHUNK_ROWS = 1024
"""Tokens whose local derivatives are computed at once: large enough to spread the cost of a call,
small enough to stay in the cache."""


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
        (S, 4H) input part of the pre-activations, overwritten.
    weight
        (4H, H) recurrent weights.
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
    sigmoids = _steps(gates[:, : 3 * width], sizes)
    outs, ins, forgets, candidates = (_steps(gate, sizes) for gate in gates.chunk(4, 1))
    outputs, states, tanhs = (_steps(x, sizes) for x in (hidden[first:], cells, squashed))
    transposed = weight.t()
    for t, size in enumerate(sizes):
        if t:
            rows[t].addmm_(outputs[t - 1][:size], transposed)
        sigmoids[t].sigmoid_()
        candidates[t].tanh_()
        torch.mul(ins[t], candidates[t], out=states[t])
        if t:
            states[t].addcmul_(forgets[t], states[t - 1][:size])
        torch.tanh(states[t], out=tanhs[t])
        torch.mul(outs[t], tanhs[t], out=outputs[t])
    return Trace(gates, hidden, cells, squashed)


def run_backward(gradient: Tensor, trace: Trace, weight: Tensor, live: Sequence[int]) -> Tensor:
    """Gradient of the loss with respect to the pre-activations, (S, 4H), in place of the gates.

    Parameters
    ----------
    gradient
        (S, H) gradient with respect to every token's output.
    """
    width = weight.shape[1]
    sizes = list(live)
    first = sizes[0] if sizes else 0
    delta = trace.gates
    rows, gradients = _steps(delta, sizes), _steps(gradient, sizes)
    outs, _, forgets, _ = (_steps(gate, sizes) for gate in delta.chunk(4, 1))
    through_cell = _steps(delta.view(-1, 4, width)[:, 1:], sizes)
    d_hidden = gradient.new_zeros(first, width)
    d_cell, d_next = gradient.new_zeros(first, width), gradient.new_zeros(first, width)
    later = 0
    for begin, end in reversed(_chunks(sizes)):
        by_hidden, by_cell, cell_by_hidden = _local_derivatives(trace, sizes, begin, end, width)
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


def _steps(tokens: Tensor, sizes: list[int]) -> Sequence[Tensor]:
    """Views of the tokens of each step."""
    return torch.split_with_sizes(tokens, sizes)


def _chunks(sizes: list[int]) -> list[tuple[int, int]]:
    """Runs of steps with at most `_CHUNK_ROWS` tokens, or a single step."""
    chunks: list[tuple[int, int]] = []
    begin = rows = 0
    for t, size in enumerate(sizes):
        if t > begin and rows + size > _CHUNK_ROWS:
            chunks.append((begin, t))
            begin, rows = t, 0
        rows += size
    if sizes:
        chunks.append((begin, len(sizes)))
    return chunks


def _local_derivatives(
    trace: Trace, sizes: list[int], begin: int, end: int, width: int
) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """Per step: d(output)/d(its gate), d(cell)/d(the three other gates), d(output)/d(cell)."""
    start = sum(sizes[:begin])
    part = sizes[begin:end]
    span = slice(start, start + sum(part))
    out, into, forget, candidate = (
        trace.gates[span, k * width : (k + 1) * width] for k in range(4)
    )
    squashed = trace.squashed[span]
    before = torch.cat(_previous_cells(trace, sizes, begin, end, start)) if len(part) else squashed
    sigmoid, tanh = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward
    by_cell = squashed.new_empty(len(squashed), 3, width)
    sigmoid.grad_input(candidate, into, grad_input=by_cell[:, 0])
    sigmoid.grad_input(before, forget, grad_input=by_cell[:, 1])
    tanh.grad_input(into, candidate, grad_input=by_cell[:, 2])
    by_hidden = sigmoid(squashed, out)
    cell_by_hidden = tanh(out, squashed)
    return _steps(by_hidden, part), _steps(by_cell, part), _steps(cell_by_hidden, part)


def _previous_cells(
    trace: Trace, sizes: list[int], begin: int, end: int, start: int
) -> list[Tensor]:
    """The cell state before each token of the steps ``begin:end``."""
    parts = []
    for t in range(begin, end):
        if t == 0:
            parts.append(trace.cells.new_zeros(sizes[0], trace.cells.shape[1]))
        else:
            earlier = start - sizes[t - 1]
            parts.append(trace.cells[earlier : earlier + sizes[t]])
        start += sizes[t]
    return parts
