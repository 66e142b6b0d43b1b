"""Per-user gradients that are sums of outer products, without forming them one by one.

For a linear map with input z_t and output gradient d_t at token t, user u's gradient is
``G_u = sum_t d_t z_t'``. Its squared norm needs no G_u (Goodfellow 2015; Li et al. 2022, ghost
norms): ``|G_u|^2 = sum_{t,s} <d_t, d_s> <z_t, z_s>``; and the clipped sum over users is one matrix
product of the rescaled d with z (Bu et al. 2023, book-keeping). An LSTM is one such map with
``z_t = [x_t, h_{t-1}, 1]`` and one d for all its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from shared.models.layers.base import Record, Sums
from shared.models.layers.layout import Block, Dense, Layout
from shared.models.layers.scratch import Scratch

_SLACK_ULPS = 8
"""Safety margin of the norms, in machine epsilons of ``(sum_t |d_t| |z_t|)^2``.

Where a user's tokens cancel, the Gram formula is a small difference of large numbers and can come
out as zero, which would switch clipping off. The worst rounding error found over 45 shapes is
3.8e-8 of that bound in float32 (1/25 of this margin), and the margin overestimates an ordinary
norm by about 2e-5.
"""
_GRAM_ELEMENTS = 1 << 20
"""Elements of the Gram matrices in memory at a time."""
_FORMING_SPEED = 0.5
"""Gram matrices may cost this share of forming a gradient before forming, which runs slower but
saves the product of the clipped sum, is the cheaper way (measured)."""
_KEPT_SHARE = 1.65
"""Per-user gradients may take this many times the memory of `delta`: what an ordinary LSTM of
the tensor library holds at that moment and this one does not."""


@dataclass(eq=False)
class OuterProducts:
    """Gradients ``sum_t d_t z_t'`` of every user.

    Attributes
    ----------
    delta
        (S, G) gradient of the loss with respect to the map's output.
    inputs
        Each weight (G, D) with the tokens (S, D) that it was multiplied with.
    bias
        (G,) parameter added to the output, or None.
    layout
        Who owns which token.
    owned
        Nobody else needs `delta`: it may be overwritten, which saves a matrix of its size.
    formed
        Per-user gradients (B, G * sum(D)), inputs side by side, that `squared_norms` formed because
        that was cheaper than their Gram matrices; the clipped sum is then a matrix-vector product.
    scratch
        Where `formed` is taken from and given back to.
    """

    delta: Tensor
    inputs: tuple[tuple[nn.Parameter, Tensor], ...]
    bias: nn.Parameter | None
    layout: Layout
    owned: bool = False
    formed: Tensor | None = None
    scratch: Scratch = field(default_factory=Scratch)

    @property
    def users(self) -> int:
        """B."""
        return self.layout.users

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """Weights in the order of `inputs`, then the bias."""
        weights = tuple(weight for weight, _ in self.inputs)
        return weights if self.bias is None else (*weights, self.bias)

    def squared_norms(self) -> Tensor:
        """(B,) squared norms, never below the true ones (see `_SLACK_ULPS`)."""
        blocks = list(self.layout.blocks())
        if self._forming_is_cheaper(blocks):
            return self._form(blocks)
        if len(blocks) == 1 and isinstance(blocks[0].rows, slice):
            return self._block_norms(blocks[0])
        result = torch.zeros(self.users, dtype=self._wide, device=self.delta.device)
        for block in blocks:
            result[block.rows] = self._block_norms(block)
        return result

    def add_weighted(self, weights: Tensor, kept: Tensor | None, into: Sums) -> None:
        """Add the weighted sums; where `delta` is owned, it is lost."""
        rows = None if kept is None else self.layout.spread(kept).nonzero().squeeze(1)
        if self.formed is not None:
            self._add_formed(self.formed, weights, kept, into)
            self._add_bias(weights, rows, into)
            return
        delta = self._weighted(weights.to(self._wide))
        if rows is not None:
            delta = delta.index_select(0, rows)
        for weight, tokens in self.inputs:
            if weight in into:
                tokens = tokens if rows is None else tokens.index_select(0, rows)
                total = into[weight]
                total.addmm_(delta.t().to(total.dtype), tokens.to(total.dtype))
        if self.bias is not None and self.bias in into:
            into[self.bias].add_(delta.sum(0))

    def join(self, other: Record) -> Record:
        """Both calls as positions of the same users."""
        if not isinstance(other, OuterProducts) or other.users != self.users:
            raise ValueError("records of one layer belong to the same users")
        delta = self._joined(self.delta, other, other.delta)
        inputs = tuple(
            (weight, self._joined(mine, other, theirs))
            for (weight, mine), (_, theirs) in zip(self.inputs, other.inputs, strict=True)
        )
        steps = delta.shape[0] // max(self.users, 1)
        layout = Dense(self.users, steps)
        return OuterProducts(delta, inputs, self.bias, layout, owned=True, scratch=self.scratch)

    @property
    def _wide(self) -> torch.dtype:
        """At least float32: half-precision sums would lose the norm."""
        return torch.promote_types(self.delta.dtype, torch.float32)

    def _joined(self, mine: Tensor, other: OuterProducts, theirs: Tensor) -> Tensor:
        both = torch.cat([_dense(self.layout, mine), _dense(other.layout, theirs)], 1)
        return both.reshape(both.shape[0] * both.shape[1], both.shape[2])

    @property
    def _width(self) -> int:
        """Columns of all inputs together."""
        return sum(tokens.shape[1] for _, tokens in self.inputs)

    def _forming_is_cheaper(self, blocks: list[Block]) -> bool:
        """Forming a user's gradient replaces its share of the clipped sum; Gram matrices do not."""
        if not blocks or self.delta.dtype != self._wide or self.delta.device.type != "cpu":
            return False  # user by user is no way for a GPU
        steps = max(block.shape[1] for block in blocks)
        if steps == 1:
            return False
        outputs, inputs = self.delta.shape[1], self._width
        fits = self.users * inputs <= _KEPT_SHARE * len(self.delta)
        return fits and steps * (outputs + inputs) > _FORMING_SPEED * outputs * inputs

    def _form(self, blocks: list[Block]) -> Tensor:
        """Form every user's gradient; the squared norms."""
        outputs, width = self.delta.shape[1], self._width
        self.formed = self.scratch.take(self.users, outputs * width, self.delta)
        if sum(block.shape[0] for block in blocks) < self.users:
            self.formed.zero_()  # users without tokens
        norms = self.delta.new_zeros(self.users)
        everyone = torch.arange(self.users, device=self.delta.device)
        for block in blocks:
            delta = block.take_masked(self.delta)
            tokens = [block.take(z) for _, z in self.inputs]
            users = everyone[block.rows].tolist()
            norms[block.rows] = torch.stack(
                [
                    self._form_one(
                        delta[k], [z[k] for z in tokens], self.formed[user].view(outputs, width)
                    )
                    for k, user in enumerate(users)
                ]
            )
            if self.bias is not None:
                norms[block.rows] += delta.sum(1).square().sum(1)
        return norms

    def _form_one(self, delta: Tensor, tokens: list[Tensor], formed: Tensor) -> Tensor:
        """Form one user's gradient; its squared norm without the bias, rounding error included."""
        # a user's rows may lie far apart: copied side by side, they multiply faster
        own, inputs = delta.contiguous(), torch.cat(tokens, 1)
        torch.mm(own.t(), inputs, out=formed)
        flat = formed.view(formed.numel())
        lengths = torch.linalg.vector_norm(inputs, dim=1)
        if self.bias is not None:
            lengths = lengths.square_().add_(1).sqrt_()
        bound = torch.dot(torch.linalg.vector_norm(own, dim=1), lengths)
        return _with_slack(torch.dot(flat, flat), bound)

    def _weighted(self, weights: Tensor) -> Tensor:
        """Delta times its users' weights.

        At least float32: rounding a user's share up would let more than C through.
        """
        wide = self.delta.to(self._wide)
        if self.owned or wide is not self.delta:
            return self.layout.scale_(wide, weights)
        return wide * self.layout.spread(weights)[:, None]

    def _add_formed(self, formed: Tensor, weights: Tensor, kept: Tensor | None, into: Sums) -> None:
        weights = weights.to(formed.dtype)
        total = weights @ formed if kept is None else weights[kept] @ formed[kept]
        self.scratch.give_back(formed)
        self.formed = None
        widths = [z.shape[1] for _, z in self.inputs]
        parts = total.view(self.delta.shape[1], self._width).split_with_sizes(widths, 1)
        for (weight, _), part in zip(self.inputs, parts, strict=True):
            if weight in into:
                into[weight].add_(part)

    def _add_bias(self, weights: Tensor, rows: Tensor | None, into: Sums) -> None:
        if self.bias is None or self.bias not in into:
            return
        delta, factors = self.delta, self.layout.spread(weights.to(self.delta.dtype))
        if rows is not None:
            delta, factors = delta.index_select(0, rows), factors.index_select(0, rows)
        into[self.bias].add_(factors @ delta)

    def _block_norms(self, block: Block) -> Tensor:
        steps, outputs = block.shape[1], self.delta.shape[1]
        gram_is_cheaper = steps * (outputs + self._width) <= outputs * self._width
        # Gram matrices are masked themselves: they are smaller than what they are made of
        take = block.take if gram_is_cheaper or steps == 1 else block.take_masked
        delta = take(self.delta).to(self._wide)
        tokens = [block.take(z).to(self._wide) for _, z in self.inputs]
        if steps == 1:
            return self._single_token(delta, tokens)
        norms = self._gram_norms if gram_is_cheaper else self._passing_norms
        largest = steps * steps if gram_is_cheaper else outputs * self._width
        size = max(1, _GRAM_ELEMENTS // largest)
        if size >= len(delta):
            return norms(delta, tokens, block.mask)
        parts = [
            norms(
                delta[a : a + size],
                [z[a : a + size] for z in tokens],
                None if block.mask is None else block.mask[a : a + size],
            )
            for a in range(0, len(delta), size)
        ]
        return torch.cat(parts)

    def _single_token(self, delta: Tensor, tokens: list[Tensor]) -> Tensor:
        return _squares(delta).mul_(self._input_squares(tokens)).squeeze(1)

    def _input_squares(self, tokens: list[Tensor]) -> Tensor:
        """(b, T) squared norm of z, the constant one of the bias included."""
        squares = _squares(tokens[0])
        for z in tokens[1:]:
            squares += _squares(z)
        return squares if self.bias is None else squares.add_(1)

    def _gram_norms(self, delta: Tensor, tokens: list[Tensor], mask: Tensor | None) -> Tensor:
        users, steps, _ = delta.shape
        outputs = torch.bmm(delta, delta.transpose(1, 2))
        inputs = torch.bmm(tokens[0], tokens[0].transpose(1, 2))
        for z in tokens[1:]:
            inputs.baddbmm_(z, z.transpose(1, 2))
        if self.bias is not None:
            inputs += 1
        if mask is not None:
            behind = ~mask
            inputs.masked_fill_(behind, 0).masked_fill_(behind.transpose(1, 2), 0)
        squares = outputs.diagonal(dim1=1, dim2=2) * inputs.diagonal(dim1=1, dim2=2)
        bound = squares.sqrt_().sum(1)
        flat = (users, steps * steps)
        squared: Tensor = torch.linalg.vecdot(outputs.view(flat), inputs.view(flat))
        return _with_slack(squared.clamp_min_(0), bound)

    def _passing_norms(self, delta: Tensor, tokens: list[Tensor], _mask: Tensor | None) -> Tensor:
        """Gradients of a few users at a time, formed and dropped; `delta` is zero where masked."""
        bound = _squares(delta).mul_(self._input_squares(tokens)).sqrt_().sum(1)
        squares = [torch.bmm(delta.transpose(1, 2), z).square_().sum((1, 2)) for z in tokens]
        if self.bias is not None:
            squares.append(delta.sum(1).square().sum(1))
        return _with_slack(torch.stack(squares).sum(0), bound)


def _squares(tokens: Tensor) -> Tensor:
    """(b, T, D) → (b, T) squared norms."""
    squares: Tensor = torch.linalg.vecdot(tokens, tokens)
    return squares


def _with_slack(squared: Tensor, bound: Tensor) -> Tensor:
    """Squared norms (b,), raised by their rounding error; `bound` is sum_t |d_t| |z_t|."""
    return squared.addcmul_(bound, bound, value=_SLACK_ULPS * torch.finfo(bound.dtype).eps)


def _dense(layout: Layout, tokens: Tensor) -> Tensor:
    """(S, D) → (B, T, D), zero behind each user's end."""
    blocks = [(block.rows, block.take_masked(tokens)) for block in layout.blocks()]
    steps = max((part.shape[1] for _, part in blocks), default=0)
    dense = tokens.new_zeros(layout.users, steps, tokens.shape[1])
    for rows, part in blocks:
        dense[rows, : part.shape[1]] = part
    return dense
