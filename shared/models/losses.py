"""Next-item losses against a frozen item matrix.

The proof of DP-SGD needs one user's gradient to depend on that user's data alone. Candidates are
therefore the whole catalogue, or negatives drawn independently of all data; never the items of
other users in the batch. Item vectors are frozen, so the gradient of the loss with respect to a
query is a mean of item vectors that the forward pass can form itself: no (S, N) logits are kept.

Klenitskiy & Vasilev, "Turning Dross Into Gold Loss" (RecSys 2023), measure how much full softmax
gains over one negative; for negatives see Bengio & Senécal (IEEE TNN 2008).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from shared.models.item_matrix import ItemMatrix, SeenItems

CHUNK: Final = 512
"""Queries whose logits are held at a time; (CHUNK, N) floats."""


def draw_negatives(count: int, catalogue_size: int, generator: torch.Generator) -> Tensor | None:
    """Draw `count` different items uniformly, looking at no data: (count,) int64.

    None, which compares with the whole catalogue, where that has no more.
    """
    if catalogue_size <= count:
        return None
    return torch.randperm(catalogue_size, generator=generator)[:count]


def next_item_loss(
    queries: Tensor,
    targets: Tensor,
    items: ItemMatrix,
    *,
    seen: SeenItems | None = None,
    negatives: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of the next item.

    Parameters
    ----------
    queries
        (S, d) query vectors.
    targets
        (S,) int64 item indices.
    items
        The catalogue.
    seen
        What each query's own user has already had, and what is therefore not recommended: no
        candidates, unless they are the target.
    negatives
        (K,) different item indices, drawn without looking at the data, against which every target
        is compared; each stands for ``N / K`` items, so that the loss estimates the one over
        the whole catalogue. None compares with the whole catalogue.

    Returns
    -------
    Tensor
        (S,) losses in nats, differentiable with respect to `queries`.
    """
    seen = (seen or SeenItems.none()).to(queries.device)
    if items.trainable:
        return _Candidates.of(items, negatives).loss(queries, targets, seen)
    loss: Tensor = _FrozenCrossEntropy.apply(  # type: ignore[no-untyped-call]
        queries, targets, items, seen, negatives
    )
    return loss


class _FrozenCrossEntropy(torch.autograd.Function):
    """Cross-entropy whose forward pass also forms the gradient of each loss by its query."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        targets: Tensor,
        items: ItemMatrix,
        seen: SeenItems,
        negatives: Tensor | None,
    ) -> Tensor:
        candidates = _Candidates.of(items, negatives)
        losses, gradients = torch.empty_like(queries[:, 0]), torch.empty_like(queries)
        for start in range(0, len(queries), CHUNK):
            part = slice(start, start + CHUNK)
            losses[part], gradients[part] = candidates.compare(
                queries[part], targets[part], seen.of(start, start + CHUNK)
            )
        ctx.save_for_backward(gradients)
        return losses

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradients * outputs[0][:, None], None, None, None, None


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The items with which a target is compared."""

    items: ItemMatrix
    vectors: Tensor
    bias: Tensor | None
    columns: Tensor
    """(N,) column of each item among the candidates, -1 where it is none of them."""

    @classmethod
    def of(cls, items: ItemMatrix, negatives: Tensor | None) -> _Candidates:
        device = items.vectors.device
        everything = torch.arange(len(items), device=device)
        if negatives is None:
            return cls(items, items.vectors, items.bias, everything)
        negatives = negatives.to(device)
        columns = torch.full_like(everything, -1)
        columns[negatives] = everything[: len(negatives)]
        bias = None if items.bias is None else items.bias[negatives]
        return cls(items, items.vectors[negatives], bias, columns)

    def loss(self, queries: Tensor, targets: Tensor, seen: SeenItems) -> Tensor:
        """Losses (M,), differentiable with respect to queries, vectors and biases."""
        score, others = self._logits(queries, targets, seen)
        return torch.logaddexp(others.logsumexp(1), score) - score

    def compare(self, queries: Tensor, targets: Tensor, seen: SeenItems) -> tuple[Tensor, Tensor]:
        """Losses (M,) and their gradients (M, d) by M queries."""
        score, others = self._logits(queries, targets, seen)
        top = torch.maximum(score, others.amax(1))
        others.sub_(top[:, None]).exp_()
        mine = (score - top).exp_()
        total = others.sum(1) + mine
        gradients = (others @ self.vectors) / total[:, None]
        gradients += (mine / total - 1.0)[:, None] * self.items.vectors[targets]
        return total.log() + top - score, gradients

    def _logits(self, queries: Tensor, targets: Tensor, seen: SeenItems) -> tuple[Tensor, Tensor]:
        """Logits (M,) of the targets and (M, K) of the others, each for its share of the items."""
        score = (queries * self.items.vectors[targets]).sum(1)
        if self.items.bias is not None:
            score = score + self.items.bias[targets]
        logits = queries @ self.vectors.T
        if self.bias is not None:
            logits += self.bias
        if len(self.vectors) < len(self.items):
            logits += math.log(len(self.items) / len(self.vectors))
        self._leave_out(logits, torch.arange(len(targets), device=targets.device), targets)
        self._leave_out(logits, seen.rows, seen.items)
        return score, logits

    def _leave_out(self, logits: Tensor, rows: Tensor, items: Tensor) -> None:
        columns = self.columns[items]
        hit = columns >= 0
        logits[rows[hit], columns[hit]] = -math.inf
