"""Which rows of a token matrix belong to which user, whatever the matrix came as.

Per-user computations (Gram matrices, per-user sums) need each user's tokens side by side. A layout
cuts the users into blocks of similar length and hands out ``(users, steps, *)`` tensors: views
where the memory allows it, gathered copies where histories are ragged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from shared.models.packing import Packing, PackingError

_BLOCKS, _BLOCK_USERS = 8, 16
"""Most blocks that ragged users are cut into, and fewest users in one: more blocks waste fewer
steps on padding but cost calls."""


class Block(Protocol):
    """Some users and the steps of the longest of them."""

    @property
    def shape(self) -> tuple[int, int]:
        """(users, steps)."""

    @property
    def rows(self) -> Tensor | slice:
        """The users' rows in the batch."""

    @property
    def mask(self) -> Tensor | None:
        """(users, steps, 1) bool, false behind a user's end; None where all are equally long."""

    def take(self, tokens: Tensor) -> Tensor:
        """(S, D) → (users, steps, D); behind a user's end stands that user's own first token."""

    def take_masked(self, tokens: Tensor) -> Tensor:
        """(S, D) → (users, steps, D), zero behind each user's end."""


class Owners(Protocol):
    """The users that own tokens."""

    @property
    def users(self) -> int:
        """B."""

    def spread(self, values: Tensor) -> Tensor:
        """(B,) → (S,): each user's value at each of its tokens."""


class Layout(Owners, Protocol):
    """Rows of tokens and the users that own them, side by side."""

    def scale_(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """Multiply the tokens (S, D), in place, with their users' weights (B,)."""

    def sum_per_user(self, values: Tensor) -> Tensor:
        """(S, *) → (B, *)."""

    def blocks(self) -> Iterator[Block]:
        """All users that have tokens, in blocks."""


@dataclass(frozen=True, eq=False)
class Whole:
    """A block of all users with equally many tokens; every tensor is a view."""

    shape: tuple[int, int]
    rows: Tensor | slice
    time_major: bool
    mask: None = None

    def take(self, tokens: Tensor) -> Tensor:
        """View of the tokens."""
        users, steps = self.shape
        if self.time_major:
            return tokens.view(steps, users, tokens.shape[1]).transpose(0, 1)
        return tokens.view(users, steps, tokens.shape[1])

    take_masked = take


@dataclass(frozen=True, eq=False)
class Gathered:
    """A block of users of different lengths.

    Attributes
    ----------
    index
        (users, steps) rows of the token matrix.
    mask
        (users, steps, 1) bool, false behind a user's end.
    """

    index: Tensor
    mask: Tensor
    rows: Tensor | slice

    @property
    def shape(self) -> tuple[int, int]:
        """(users, steps)."""
        return self.index.shape[0], self.index.shape[1]

    def take(self, tokens: Tensor) -> Tensor:
        """Gathered copy of the tokens."""
        rows = tokens.index_select(0, self.index.reshape(self.index.numel()))
        return rows.view(*self.shape, tokens.shape[1])

    def take_masked(self, tokens: Tensor) -> Tensor:
        """Gathered copy, zero behind each user's end."""
        return self.take(tokens).masked_fill_(~self.mask, 0)


@dataclass(frozen=True, eq=False)
class Dense:
    """B users with T tokens each, user-major: (B, T, D) flattened to (B * T, D)."""

    users: int
    steps: int

    def spread(self, values: Tensor) -> Tensor:
        """(B,) → (B * T,)."""
        return values.repeat_interleave(self.steps) if self.steps != 1 else values

    def scale_(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """(B * T, D) times (B,)."""
        tokens.view(self.users, self.steps, tokens.shape[1]).mul_(weights[:, None, None])
        return tokens

    def sum_per_user(self, values: Tensor) -> Tensor:
        """(B * T, *) → (B, *)."""
        return values.view(self.users, self.steps, *values.shape[1:]).sum(1)

    def blocks(self) -> Iterator[Block]:
        """One block of everybody."""
        if self.users and self.steps:
            yield Whole((self.users, self.steps), slice(None), time_major=False)


@dataclass(frozen=True, eq=False)
class Ragged:
    """Tokens laid out by a `Packing`."""

    packing: Packing

    @property
    def users(self) -> int:
        """B."""
        return self.packing.users

    def spread(self, values: Tensor) -> Tensor:
        """(B,) → (S,)."""
        return self.packing.spread(values)

    def scale_(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """(S, D) times (B,)."""
        if not self.packing.uniform:
            return tokens.mul_(self.spread(weights)[:, None])
        packing = self.packing  # equally long users keep their order
        tokens.view(packing.steps, packing.users, tokens.shape[1]).mul_(weights[None, :, None])
        return tokens

    def sum_per_user(self, values: Tensor) -> Tensor:
        """(S, *) → (B, *)."""
        return self.packing.sum_per_user(values)

    def blocks(self) -> Iterator[Block]:
        """Users of similar length together; equal lengths need no copy."""
        packing = self.packing
        if not packing.tokens:
            return
        if packing.uniform:
            # users of equal length keep their order: the sort is stable
            yield Whole((packing.users, packing.steps), slice(None), time_major=True)
            return
        busy = packing.live[0]
        size = max(_BLOCK_USERS, -(-busy // _BLOCKS))
        for first in range(0, busy, size):
            yield self._gathered(first, min(busy, first + size))

    def _gathered(self, first: int, end: int) -> Gathered:
        lengths = self.packing.lengths[first:end]
        device = lengths.device
        steps = torch.arange(int(lengths[0]), device=device)
        mask = steps[None] < lengths[:, None]
        starts = self.packing.starts[: len(steps)] * mask
        index = starts + torch.arange(first, end, device=device)[:, None]
        return Gathered(index, mask[..., None], self.packing.order[first:end])


def layout_of(inputs: Tensor, packing: Packing | None, *, token_dims: int) -> Layout:
    """The layout of `inputs`: packed tokens, one row per user, or (B, T, ...).

    Parameters
    ----------
    token_dims
        Dimensions of one token: 1 for vectors, 0 for indices.

    Raises
    ------
    PackingError
        The shape fits none of the three.
    """
    rows = inputs.dim() - token_dims
    if packing is not None:
        if rows != 1 or inputs.shape[0] != packing.tokens:
            raise PackingError(f"shape {tuple(inputs.shape)} for {packing.tokens} packed tokens")
        return Ragged(packing)
    if rows == 1:
        return Dense(inputs.shape[0], 1)
    if rows == 2:
        return Dense(inputs.shape[0], inputs.shape[1])
    raise PackingError(f"shape {tuple(inputs.shape)} is neither (B, D) nor (B, T, D)")
