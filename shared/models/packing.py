"""Ragged sequences as one time-major matrix of tokens, without padding.

B users with histories of different lengths are sorted by length, longest first, and their tokens
laid out step by step: first the first token of every user, then the second of every user that has
one, and so on. A recurrent layer then works on a shrinking prefix of users and wastes no step::

    users a (3 tokens), b (1), c (2)   →   a0 c0 b0 | a1 c1 | a2      live = (3, 2, 1)

Callers never see the sorting: every method takes and returns rows in the caller's own order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from shared.errors import ModelError


class PackingError(ModelError):
    """Sequence lengths or tokens that do not fit together."""

    code = "MODEL-050"


@dataclass(frozen=True, eq=False)
class Packing:
    """Layout of S tokens of B users; build it with `from_lengths`.

    Attributes
    ----------
    order
        (B,) int64; ``order[r]`` is the caller's row of the user with the r-th longest history.
    lengths
        (B,) int64, sorted, longest first.
    live
        Number of users that still have a token at each of the T steps (never increasing).
    user
        (S,) int64; the caller's row that owns each token.
    position
        (S,) int64; the step of each token in its user's history.
    """

    order: Tensor
    lengths: Tensor
    live: tuple[int, ...]
    user: Tensor
    position: Tensor

    @classmethod
    def from_lengths(cls, lengths: Tensor) -> Packing:
        """Lay out users with `lengths` (B,) tokens; empty histories and B = 0 are fine.

        Raises
        ------
        PackingError
            `lengths` is not a vector of non-negative integers.
        """
        if lengths.dim() != 1 or lengths.is_floating_point():
            raise PackingError(f"lengths of shape {tuple(lengths.shape)} and {lengths.dtype}")
        if lengths.numel() and int(lengths.min()) < 0:
            raise PackingError(f"a negative length: {int(lengths.min())}")
        ordered, order = torch.sort(lengths.long(), descending=True, stable=True)
        steps = int(ordered[0]) if ordered.numel() else 0
        live = (ordered[None, :] > torch.arange(steps, device=lengths.device)[:, None]).sum(1)
        position = torch.repeat_interleave(live)
        starts = live.cumsum(0) - live
        rank = torch.arange(len(position), device=lengths.device) - starts[position]
        return cls(order, ordered, tuple(live.tolist()), order[rank], position)

    @property
    def users(self) -> int:
        """B, empty users included."""
        return len(self.order)

    @property
    def steps(self) -> int:
        """T, the longest history."""
        return len(self.live)

    @property
    def tokens(self) -> int:
        """S, all tokens of all users."""
        return len(self.user)

    @property
    def uniform(self) -> bool:
        """Every user has the same number of tokens."""
        return self.tokens == self.users * self.steps

    def to(self, device: torch.device | str) -> Packing:
        """The same layout on another device."""
        moved = (t.to(device) for t in (self.order, self.lengths, self.user, self.position))
        order, lengths, user, position = moved
        return Packing(order, lengths, self.live, user, position)

    def pack(self, padded: Tensor) -> Tensor:
        """(B, T or more, *) → (S, *); what lies behind a user's length is left out."""
        if padded.dim() < 2 or padded.shape[0] != self.users or padded.shape[1] < self.steps:
            raise PackingError(
                f"shape {tuple(padded.shape)} for {self.users} users and {self.steps} steps"
            )
        flat = padded.reshape(self.users * padded.shape[1], *padded.shape[2:])
        return flat.index_select(0, self.user * padded.shape[1] + self.position)

    def unpack(self, tokens: Tensor) -> Tensor:
        """(S, *) → (B, T, *), zero behind each user's length."""
        self._check(tokens)
        flat = tokens.new_zeros(self.users * self.steps, *tokens.shape[1:])
        flat = flat.index_copy(0, self.user * self.steps + self.position, tokens)
        return flat.view(self.users, self.steps, *tokens.shape[1:])

    def sum_per_user(self, values: Tensor) -> Tensor:
        """(S, *) → (B, *); an empty user's sum is zero."""
        self._check(values)
        return values.new_zeros(self.users, *values.shape[1:]).index_add(0, self.user, values)

    def spread(self, values: Tensor) -> Tensor:
        """(B, *) → (S, *): each user's value at each of its tokens."""
        return values.index_select(0, self.user)

    def last(self, tokens: Tensor) -> Tensor:
        """(S, *) → (B, *): each user's last token, zero for an empty user."""
        self._check(tokens)
        rows = tokens.index_select(0, self._last_token)
        return tokens.new_zeros(self.users, *tokens.shape[1:]).index_copy(0, self._owner, rows)

    @cached_property
    def starts(self) -> Tensor:
        """(T,) number of tokens before each step."""
        live = torch.tensor(self.live, dtype=torch.int64, device=self.order.device)
        return live.cumsum(0) - live

    @cached_property
    def previous(self) -> Tensor:
        """(S - B',) token before each token that is not its user's first (B' live at step 0)."""
        first = self.live[0] if self.live else 0
        here = torch.arange(first, self.tokens, device=self.order.device)
        step = self.position[first:]
        return here - self.starts[step] + self.starts[step - 1]

    @cached_property
    def _last_token(self) -> Tensor:
        lengths = self.lengths[self.lengths > 0]
        rank = torch.arange(len(lengths), device=self.order.device)
        return self.starts[lengths - 1] + rank

    @cached_property
    def _owner(self) -> Tensor:
        return self.order[: len(self._last_token)]

    def _check(self, tokens: Tensor) -> None:
        if tokens.dim() < 1 or tokens.shape[0] != self.tokens:
            raise PackingError(f"shape {tuple(tokens.shape)} for {self.tokens} tokens")
