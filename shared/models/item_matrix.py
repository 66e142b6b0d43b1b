"""A platform's catalogue as the behaviour model sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.models.errors import ItemVectorError
from shared.models.packing import Packing


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMatrix:
    """A platform's frozen item vectors and its own item biases.

    Attributes
    ----------
    vectors
        (N, d), unit length where frozen; zero where an item has no text.
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

    def to(self, device: torch.device) -> ItemMatrix:
        """The same catalogue on another device."""
        bias = None if self.bias is None else self.bias.to(device)
        return ItemMatrix(vectors=self.vectors.to(device), bias=bias)

    @property
    def trainable(self) -> bool:
        """Whether vectors or biases take part in training; never so in a private step."""
        return any(t is not None and t.requires_grad for t in (self.vectors, self.bias))

    def logits(self, queries: Tensor) -> Tensor:
        """Scores (B, N) of every item for B queries (B, d)."""
        if len(queries) == 1:  # rows by vector reads the matrix in order: half the time
            scores = (self.vectors @ queries[0])[None]
        else:
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

    def to(self, device: torch.device) -> SeenItems:
        """The same pairs on another device."""
        return SeenItems(rows=self.rows.to(device), items=self.items.to(device))

    @classmethod
    def up_to_each(cls, items: Tensor, packing: Packing) -> SeenItems:
        """For each of S packed tokens with `items` (S,): its user's items up to and with it."""
        counts = packing.position + 1
        rows = torch.repeat_interleave(counts)
        earlier = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
        place = torch.argsort(packing.order)  # of each user among the live ones
        tokens = packing.starts[earlier] + place[packing.user[rows]]
        return cls(rows=rows, items=items[tokens])

    def of(self, start: int, stop: int) -> SeenItems:
        """The pairs of the queries ``start:stop``, renumbered from zero."""
        bounds = torch.searchsorted(self.rows, torch.tensor([start, stop], device=self.rows.device))
        part = slice(int(bounds[0]), int(bounds[1]))
        return SeenItems(rows=self.rows[part] - start, items=self.items[part])
