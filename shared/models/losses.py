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
from shared.models.packing import Packing

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenItems:
    """Which items the user of each query has already had: M pairs, sorted by row.

    Attributes
    ----------
    rows, items
        (M,) int64: row of the query, item index.
    """

    rows: Tensor
    items: Tensor

    @classmethod
    def none(cls) -> SeenItems:
        """Nobody has had anything."""
        empty = torch.empty(0, dtype=torch.int64)
        return cls(rows=empty, items=empty)

    @classmethod
    def up_to_each(cls, items: Tensor, packing: Packing) -> SeenItems:
        """For each of S packed tokens with `items` (S,): its user's items up to and with it."""
        counts = packing.position + 1
        rows = torch.repeat_interleave(counts)
        earlier = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[rows]
        place = torch.argsort(packing.order)  # of each user among the live ones
        tokens = packing.starts[earlier] + place[packing.user[rows]]
        return cls(rows=rows, items=items[tokens])

    def of(self, start: int, stop: int) -> SeenItems:
        """The pairs of the queries ``start:stop``, renumbered from zero."""
        bounds = torch.searchsorted(self.rows, torch.tensor([start, stop]))
        part = slice(int(bounds[0]), int(bounds[1]))
        return SeenItems(rows=self.rows[part] - start, items=self.items[part])


def draw_negatives(count: int, catalogue_size: int, generator: torch.Generator) -> Tensor:
    """Draw `count` different items uniformly, looking at no data: (count,) int64."""
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
        seen: SeenItems | None,
        negatives: Tensor | None,
    ) -> Tensor:
        candidates = _Candidates.of(items, negatives)
        seen = seen or SeenItems.none()
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
        if negatives is None:
            return cls(items, items.vectors, items.bias, torch.arange(len(items)))
        columns = torch.full((len(items),), -1)
        columns[negatives] = torch.arange(len(negatives))
        bias = None if items.bias is None else items.bias[negatives]
        return cls(items, items.vectors[negatives], bias, columns)

    def compare(self, queries: Tensor, targets: Tensor, seen: SeenItems) -> tuple[Tensor, Tensor]:
        """Losses (M,) and their gradients (M, d) by M queries."""
        positive = self.items.vectors[targets]
        score = (queries * positive).sum(1)
        if self.items.bias is not None:
            score = score + self.items.bias[targets]
        others = self._logits_of_others(queries, targets, seen)
        top = torch.maximum(score, others.amax(1))
        others.sub_(top[:, None]).exp_()
        mine = (score - top).exp_()
        total = others.sum(1) + mine
        gradients = (others @ self.vectors) / total[:, None]
        gradients += (mine / total - 1.0)[:, None] * positive
        return total.log() + top - score, gradients

    def _logits_of_others(self, queries: Tensor, targets: Tensor, seen: SeenItems) -> Tensor:
        """Logits (M, K) of the candidates but target and seen, each for its share of the items."""
        logits = queries @ self.vectors.T
        if self.bias is not None:
            logits += self.bias
        if len(self.vectors) < len(self.items):
            logits += math.log(len(self.items) / len(self.vectors))
        self._leave_out(logits, torch.arange(len(targets)), targets)
        self._leave_out(logits, seen.rows, seen.items)
        return logits

    def _leave_out(self, logits: Tensor, rows: Tensor, items: Tensor) -> None:
        columns = self.columns[items]
        hit = columns >= 0
        logits[rows[hit], columns[hit]] = -math.inf
