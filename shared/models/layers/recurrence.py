"""The LSTM recurrence on packed tokens, forward and backward, in few and large operations.

Hochreiter & Schmidhuber 1997 with forget gates (Gers et al. 2000). What makes it fast on a CPU:

* Gates stand in the order output, input, forget, candidate: the three gates whose gradient flows
  through the cell are side by side in the backward pass.
* ``tanh(a) = 2 sigmoid(2a) - 1``: with the candidate's weights doubled one call activates all four
  gates. The rounding error stays absolute, one unit in the last place of 1.
* Local derivatives are computed for several steps at once, in buffers that stay in the cache; the
  loops call the tensor library 7 times a step forward and 5 backward, which is what counts for
  small batches, and touch only users that are still alive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        (H, 4H) recurrent weights, transposed, the candidate's doubled (see `doubled_candidate`).
    live
        Users alive at each step.
    """
    tokens, width = gates.shape[0], gates.shape[1] // 4
    first = live[0] if live else 0
    hidden = gates.new_empty(first + tokens, width)
    hidden[:first].zero_()
    cells, squashed = gates.new_empty(tokens, width), gates.new_empty(tokens, width)
    sizes = list(live)
    parts = (gates, *gates.chunk(4, 1), hidden[first:], cells, squashed)
    minus_one = gates.new_full((), -1.0)
    before, cell_before = hidden[:0], cells[:0]
    for row, out, into, forget, candidate, output, state, squash in zip(
        *(_steps(part, sizes) for part in parts), strict=True
    ):
        if (size := row.shape[0]) < before.shape[0]:
            before, cell_before = before[:size], cell_before[:size]
        started = before.shape[0] > 0
        if started:
            row.addmm_(before, weight)
        row.sigmoid_()
        torch.add(minus_one, candidate, alpha=2, out=candidate)
        torch.mul(into, candidate, out=state)
        if started:
            state.addcmul_(forget, cell_before)
        torch.tanh(state, out=squash)
        torch.mul(out, squash, out=output)
        before, cell_before = output, state
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
    sizes = list(live)
    delta = trace.gates
    rows, gradients = _steps(delta, sizes), _steps(gradient, sizes)
    outs, _, forgets, _ = (_steps(gate, sizes) for gate in delta.chunk(4, 1))
    through_cell = _steps(delta.view(len(delta), 4, weight.shape[1])[:, 1:], sizes)
    buffers = gradient.new_zeros(3, sizes[0] if sizes else 0, weight.shape[1]).unbind()
    alive = known = 0
    local = _LocalDerivatives(trace, sizes)
    for begin, end in reversed(local.chunks):
        derivatives = local.compute(begin, end)
        for t, (by_hidden, by_cell, cell_by_hidden) in zip(
            range(end - 1, begin - 1, -1), _reversed_steps(derivatives), strict=True
        ):
            if sizes[t] > alive:  # users whose history ends here: their cells have no gradient yet
                alive = sizes[t]
                d_hidden, d_cell, d_next = (buffer[:alive] for buffer in buffers)
                d_hidden[known:].copy_(gradients[t][known:])
            if known == alive:
                torch.addmm(gradients[t], rows[t + 1], weight, out=d_hidden)
            elif known:
                torch.addmm(gradients[t][:known], rows[t + 1], weight, out=d_hidden[:known])
            known = alive
            d_cell.addcmul_(d_hidden, cell_by_hidden)
            torch.mul(d_cell, forgets[t], out=d_next)
            torch.mul(d_hidden, by_hidden, out=outs[t])
            torch.mul(d_cell[:, None], by_cell, out=through_cell[t])
            d_cell, d_next = d_next, d_cell
            buffers = (buffers[0], buffers[2], buffers[1])
    return delta


class _LocalDerivatives:
    """Derivatives within single tokens, for some steps at a time, in buffers used again."""

    def __init__(self, trace: Trace, sizes: list[int]) -> None:
        self._trace, self._sizes = trace, sizes
        width = trace.cells.shape[1]
        self.chunks = _chunks(sizes, max(1, _CHUNK_ELEMENTS // max(width, 1)))
        self._starts = [0, *accumulate(sizes)]
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
        self._by_forget_gate(begin, end, forget, by_cell[:, 1])
        return _steps(by_hidden, sizes), _steps(by_cell, sizes), _steps(cell_by_hidden, sizes)

    def _by_forget_gate(self, begin: int, end: int, forget: Tensor, result: Tensor) -> None:
        """d(cell)/d(forget gate): for all steps at once where the same users are alive in all."""
        sigmoid = torch.ops.aten.sigmoid_backward.grad_input
        if begin == 0:
            first = self._sizes[0]
            result[:first].zero_()  # no cell before
            begin, forget, result = 1, forget[first:], result[first:]
        if begin == end:
            return
        starts, sizes = self._starts, self._sizes
        if sizes[begin - 1] == sizes[end - 1]:
            before = self._trace.cells[starts[begin - 1] : starts[end - 1]]
            sigmoid(before, forget, grad_input=result)
            return
        for t in range(begin, end):
            part = slice(starts[t] - starts[begin], starts[t + 1] - starts[begin])
            before = self._trace.cells[starts[t - 1] : starts[t - 1] + sizes[t]]
            sigmoid(before, forget[part], grad_input=result[part])


def _reversed_steps(parts: tuple[Sequence[Tensor], ...]) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(reversed(part) for part in parts), strict=True)


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
