"""A small model with every kind of private layer, and its per-user gradients the slow way."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shared.models.layers import LSTM, Embedding, Linear
from shared.models.packing import Packing

EVENTS = 4


class Toy(nn.Module):
    """Event embedding, linear adapter, stacked LSTM, heads on every token and on the last."""

    def __init__(self, width: int = 3, hidden: int = 4, layers: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.events = Embedding(EVENTS, 2)
        self.adapter = Linear(width, 3, bias)
        self.lstm = LSTM(5, hidden, layers)
        self.head = Linear(hidden, 3, bias)
        self.summary = Linear(hidden, 2)

    def loss_per_user(self, x: Tensor, events: Tensor, packing: Packing) -> Tensor:
        """(B,) from packed tokens (S, D) and event types (S,)."""
        tokens = torch.cat([self.adapter(x, packing), self.events(events, packing)], 1)
        states = self.lstm(tokens, packing)
        per_token = self.head(states, packing).sin().sum(1)
        last = self.summary(packing.last(states))
        return packing.sum_per_user(per_token) + last.square().sum(1)


class Batch:
    """Ragged users with random tokens."""

    def __init__(self, lengths: list[int], width: int = 3, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        steps = max(lengths, default=0)
        self.lengths = torch.tensor(lengths, dtype=torch.int64)
        shape = (len(lengths), steps)
        self.x = torch.randn(*shape, width, generator=generator, dtype=torch.float64)
        self.events = torch.randint(0, EVENTS, shape, generator=generator)

    def losses(self, model: Toy, rows: Tensor | None = None) -> Tensor:
        """(B,) losses of the users at `rows`, or of all."""
        chosen = torch.arange(len(self.lengths)) if rows is None else rows
        packing = Packing.from_lengths(self.lengths[chosen])
        x = packing.pack(self.x[chosen]).to(model.head.weight.dtype)
        return model.loss_per_user(x, packing.pack(self.events[chosen]), packing)


def per_user_gradients(model: nn.Module, losses_of: list[Tensor]) -> Tensor:
    """(B, P) by one ordinary backward pass per user."""
    rows = []
    parameters = [p for p in model.parameters() if p.requires_grad]
    for loss in losses_of:
        grads = torch.autograd.grad(loss.sum(), parameters, allow_unused=True)
        filled = [
            torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads, strict=True)
        ]
        rows.append(torch.cat([g.flatten() for g in filled]))
    return torch.stack(rows)


def toy_gradients(model: Toy, batch: Batch) -> Tensor:
    """(B, P) per-user gradients of the toy model."""
    users = torch.arange(len(batch.lengths))
    return per_user_gradients(model, [batch.losses(model, users[i : i + 1]) for i in users])


def clipped_sum(gradients: Tensor, bound: float) -> Tensor:
    """(P,) sum of the rows, each brought down to norm `bound`."""
    norms = gradients.norm(dim=1, keepdim=True)
    return (gradients * (bound / norms).clamp(max=1).nan_to_num(nan=1.0)).sum(0)


def released(model: nn.Module) -> Tensor:
    """(P,) what stands in the gradients."""
    rows = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return torch.cat([row.flatten() for row in rows])
