"""Norms of per-user gradients: exact, and never too small where float32 cancels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from shared.models.layers.layout import Dense, Layout, Ragged
from shared.models.layers.outer_products import OuterProducts
from shared.models.packing import Packing

DOUBLE = torch.float64


def _record(
    layout: Layout, tokens: int, widths: tuple[int, ...], outputs: int, *, bias: bool = True
) -> OuterProducts:
    inputs = tuple(
        (nn.Parameter(torch.zeros(outputs, w, dtype=DOUBLE)), torch.randn(tokens, w, dtype=DOUBLE))
        for w in widths
    )
    offset = nn.Parameter(torch.zeros(outputs, dtype=DOUBLE)) if bias else None
    return OuterProducts(torch.randn(tokens, outputs, dtype=DOUBLE), inputs, offset, layout)


def _gradients(record: OuterProducts) -> Tensor:
    """(B, P) formed naively."""
    owner = record.layout.spread(torch.arange(record.users))
    rows = []
    for user in range(record.users):
        delta = record.delta[owner == user]
        parts = [(delta.t() @ z[owner == user]).flatten() for _, z in record.inputs]
        rows.append(torch.cat([*parts, *([delta.sum(0)] if record.bias is not None else [])]))
    return torch.stack(rows)


def _weighted(record: OuterProducts, weights: Tensor, kept: Tensor | None) -> Tensor:
    """(P,) of the record."""
    into = {p: torch.zeros_like(p, dtype=DOUBLE) for p in record.parameters}
    record.add_weighted(weights, kept, {p: total.detach() for p, total in into.items()})
    return torch.cat([into[p].flatten() for p in record.parameters])


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    outputs=st.integers(1, 6),
    width=st.integers(1, 5),
    bias=st.booleans(),
    keep=st.booleans(),
)
def test_norms_and_sums_equal_those_of_formed_gradients(
    lengths: list[int], outputs: int, width: int, bias: bool, keep: bool
) -> None:
    torch.manual_seed(sum(lengths))
    packing = Packing.from_lengths(torch.tensor(lengths))
    record = _record(Ragged(packing), packing.tokens, (width, 2), outputs, bias=bias)
    expected = _gradients(record)
    torch.testing.assert_close(
        record.squared_norms(), expected.square().sum(1), rtol=1e-9, atol=1e-12
    )
    weights = torch.rand(len(lengths), dtype=DOUBLE)
    kept = (torch.arange(len(lengths)) % 2 == 0) if keep else None
    used = weights if kept is None else weights * kept
    sums = _weighted(record, weights, kept)
    torch.testing.assert_close(sums, used @ expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("users", [24, 40, 200])
@pytest.mark.parametrize("outputs", [9, 90], ids=["gradients formed", "Gram matrices"])
def test_many_ragged_users_in_several_blocks_keep_their_own_norms(users: int, outputs: int) -> None:
    torch.manual_seed(users)
    packing = Packing.from_lengths(torch.randint(0, 12, (users,)))
    record = _record(Ragged(packing), packing.tokens, (outputs // 3, 2), outputs)
    assert len(list(record.layout.blocks())) > 1
    torch.testing.assert_close(record.squared_norms(), _gradients(record).square().sum(1))


@pytest.mark.parametrize("steps", [1, 2, 40])
def test_every_way_of_computing_the_norm_agrees(steps: int) -> None:
    torch.manual_seed(0)
    record = _record(Dense(5, steps), 5 * steps, (3, 2), 4)
    expected = _gradients(record).square().sum(1)
    delta = record.delta.view(5, steps, 4)
    tokens = [z.view(5, steps, -1) for _, z in record.inputs]
    blocks = list(record.layout.blocks())
    ways = {
        "gram": record._gram_norms(delta, tokens, None),
        "passing": record._passing_norms(delta, tokens, None),
        "formed": record._form(blocks),
    }
    for norms in ways.values():
        torch.testing.assert_close(norms, expected)


def test_a_formed_gradient_gives_the_same_clipped_sum() -> None:
    torch.manual_seed(0)
    record = _record(Dense(6, 30), 180, (3, 2), 4)
    expected = _gradients(record)
    weights = torch.rand(6, dtype=DOUBLE)
    for kept in (None, torch.tensor([True, False, True, True, False, True])):
        record._form(list(record.layout.blocks()))
        used = weights if kept is None else weights * kept
        sums = _weighted(record, weights, kept)
        torch.testing.assert_close(sums, used @ expected)


def _cancelling(noise: float, steps: int) -> OuterProducts:
    """Users whose tokens nearly cancel: equal inputs, output gradients of alternating sign."""
    generator = torch.Generator().manual_seed(0)
    signs = ((-1.0) ** torch.arange(steps))[None, :, None]
    x = torch.randn(8, 1, 128, generator=generator).expand(8, steps, 128)
    x = x + noise * torch.randn(8, steps, 128, generator=generator)
    delta = torch.randn(8, 1, 512, generator=generator) * signs
    delta = delta + noise * torch.randn(8, steps, 512, generator=generator)
    weight = nn.Parameter(torch.zeros(512, 128))
    tokens = ((weight, x.reshape(8 * steps, 128)),)
    return OuterProducts(delta.reshape(8 * steps, 512), tokens, None, Dense(8, steps))


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("steps", [10, 50])
def test_a_crafted_user_cannot_hide_from_the_clip_in_float32(noise: float, steps: int) -> None:
    """Ghost norms of such users come out as zero without the margin, also in stock Opacus."""
    record = _cancelling(noise, steps)
    exact = OuterProducts(
        record.delta.double(),
        tuple((w, z.double()) for w, z in record.inputs),
        None,
        record.layout,
    )
    true = _gradients(exact).norm(dim=1)
    claimed = record.squared_norms().double().sqrt()
    assert bool((claimed >= true * (1 - 1e-6)).all())


def test_without_the_margin_the_crafted_user_would_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.models.layers.outer_products._SLACK_ULPS", 0)
    record = _cancelling(1e-4, 50)
    true = _gradients(record).norm(dim=1)
    assert bool((record.squared_norms().sqrt() < 0.5 * true).any())


def test_the_margin_hardly_overestimates_ordinary_users() -> None:
    torch.manual_seed(0)
    delta, x = torch.randn(16 * 50, 64), torch.randn(16 * 50, 128)
    record = OuterProducts(delta, ((nn.Parameter(torch.zeros(64, 128)), x),), None, Dense(16, 50))
    true = _gradients(record).double().norm(dim=1)
    torch.testing.assert_close(record.squared_norms().double().sqrt(), true, rtol=5e-5, atol=0.0)


def test_what_stood_in_used_memory_before_does_not_reach_the_sum() -> None:
    """A user without tokens has no gradient, whatever the lent memory held."""
    torch.manual_seed(0)
    packing = Packing.from_lengths(torch.tensor([9, 0, 7, 0]))
    record = _record(Ragged(packing), packing.tokens, (3, 2), 4)
    width = 4 * 5
    used = record.scratch.take(6, width, record.delta).fill_(float("nan"))
    record.scratch.give_back(used)
    expected = _gradients(record)
    norms = record._form(list(record.layout.blocks()))
    assert record.formed is not None
    assert record.formed.data_ptr() == used.data_ptr()
    torch.testing.assert_close(norms, expected.square().sum(1))
    sums = _weighted(record, torch.ones(4, dtype=DOUBLE), None)
    torch.testing.assert_close(sums, expected.sum(0))
