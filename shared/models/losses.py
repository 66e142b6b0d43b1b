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

from shared.models.errors import ItemVectorError

CHUNK: Final = 512
"""Queries whose logits are held at a time; (CHUNK, N) floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMatrix:
    """A platform's frozen item vectors and its own item biases.

    Attributes
    ----------
    vectors
        (N, d) unit vectors; zero where an item has no text.
    bias
        (N,) added to the logits, or None. Counted on private data, it never leaves the node and
        must be None in a private step (it would carry other users' data into a user's gradient).

    Raises
    ------
    ItemVectorError
        Shapes do not fit or values are not finite.
    """

    vectors: Tensor
    bias: Tensor | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) == 0:
            raise ItemVectorError(
                f"item vectors have shape {tuple(self.vectors.shape)}, not (N, d)"
            )
        if self.bias is not None and self.bias.shape != self.vectors.shape[:1]:
            raise ItemVectorError(f"{len(self.vectors)} items, bias {tuple(self.bias.shape)}")
        if not bool(torch.isfinite(self.vectors).all()):
            raise ItemVectorError("item vectors hold values that are not finite")

    def __len__(self) -> int:
        return len(self.vectors)

    def logits(self, queries: Tensor) -> Tensor:
        """Scores (B, N) of every item for B queries (B, d)."""
        scores = queries @ self.vectors.T
        return scores if self.bias is None else scores + self.bias


def draw_negatives(count: int, catalogue_size: int, generator: torch.Generator) -> Tensor:
    """Draw `count` different items uniformly, looking at no data: (count,) int64."""
    return torch.randperm(catalogue_size, generator=generator)[:count]


def next_item_loss(
    queries: Tensor, targets: Tensor, items: ItemMatrix, negatives: Tensor | None = None
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
    negatives
        (K,) different item indices, drawn without looking at the data, against which every target
        is compared; each stands for ``(N - 1) / K`` items, so that the loss estimates the one over
        the whole catalogue. None compares with the whole catalogue.

    Returns
    -------
    Tensor
        (S,) losses in nats, differentiable with respect to `queries`.
    """
    loss: Tensor = _FrozenCrossEntropy.apply(  # type: ignore[no-untyped-call]
        queries, targets, items, negatives
    )
    return loss


class _FrozenCrossEntropy(torch.autograd.Function):
    """Cross-entropy whose forward pass also forms the gradient of each loss by its query."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, targets: Tensor, items: ItemMatrix, negatives: Tensor | None
    ) -> Tensor:
        candidates = _Candidates.of(items, negatives)
        losses, gradients = torch.empty_like(queries[:, 0]), torch.empty_like(queries)
        for start in range(0, len(queries), CHUNK):
            part = slice(start, start + CHUNK)
            losses[part], gradients[part] = candidates.compare(queries[part], targets[part])
        ctx.save_for_backward(gradients)
        return losses

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradients * outputs[0][:, None], None, None, None


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
        if negatives is None:
            return cls(items, items.vectors, items.bias, torch.arange(len(items)))
        columns = torch.full((len(items),), -1)
        columns[negatives] = torch.arange(len(negatives))
        bias = None if items.bias is None else items.bias[negatives]
        return cls(items, items.vectors[negatives], bias, columns)

    def compare(self, queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (M,) and their gradients (M, d) by M queries."""
        positive = self.items.vectors[targets]
        score = (queries * positive).sum(1)
        if self.items.bias is not None:
            score = score + self.items.bias[targets]
        others = self._logits_of_others(queries, targets)
        top = torch.maximum(score, others.amax(1))
        others.sub_(top[:, None]).exp_()
        mine = (score - top).exp_()
        total = others.sum(1) + mine
        gradients = (others @ self.vectors) / total[:, None]
        gradients += (mine / total - 1.0)[:, None] * positive
        return total.log() + top - score, gradients

    def _logits_of_others(self, queries: Tensor, targets: Tensor) -> Tensor:
        """Logits (M, K) of all candidates but the target, scaled up to the whole catalogue."""
        logits = queries @ self.vectors.T
        if self.bias is not None:
            logits += self.bias
        column = self.columns[targets]
        hit = column >= 0
        compared = len(self.vectors) - hit.to(logits.dtype)
        if len(self.vectors) < len(self.items):
            logits += torch.log((len(self.items) - 1) / compared)[:, None]
        logits[hit, column[hit]] = -math.inf
        return logits
