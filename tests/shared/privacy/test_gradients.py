"""Private gradients are exact clipped sums plus noise, and everything else is refused."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from shared.models.layers import Embedding, Linear
from shared.models.packing import Packing
from shared.privacy.errors import (
    CoupledUsersError,
    InvalidMechanismError,
    ReducedPrecisionError,
    UnrecordedGradientError,
    UnsupportedLayerError,
    UntrustedNoiseError,
)
from shared.privacy.gradients import PrivateGradient, UnprotectedGradient
from shared.privacy.noise import SecureGaussian
from tests.shared.privacy.seeded import SeededGradient
from tests.shared.privacy.toy import Batch, Toy, clipped_sum, released, toy_gradients

LENGTHS = [3, 0, 5, 1, 5, 2]


def _private(model: nn.Module, batch: Batch, gradient: PrivateGradient) -> Tensor:
    with gradient.recording():
        losses = batch.losses(cast(Toy, model))
    gradient.backward(losses)
    return released(model)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=7),
    width=st.integers(1, 4),
    hidden=st.integers(1, 5),
    layers=st.integers(1, 3),
    bias=st.booleans(),
    bound=st.sampled_from([0.01, 1.0, 1e6]),
)
def test_the_clipped_sum_equals_that_of_one_backward_pass_per_user(
    lengths: list[int], width: int, hidden: int, layers: int, bias: bool, bound: float
) -> None:
    torch.manual_seed(len(lengths) + hidden)
    model = Toy(width, hidden, layers, bias).double()
    batch = Batch(lengths, width)
    expected = clipped_sum(toy_gradients(model, batch), bound)
    actual = _private(model, batch, SeededGradient(model, clipping_norm=bound))
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)


def test_float32_gradients_are_within_one_in_100000() -> None:
    torch.manual_seed(0)
    model = Toy(layers=2)
    batch = Batch([7, 3, 7, 1] * 4)
    actual = _private(model, batch, SeededGradient(model, clipping_norm=1e6))
    double = Toy(layers=2).double()
    double.load_state_dict(model.state_dict())
    expected = toy_gradients(double, batch).sum(0)
    assert (actual.double() - expected).norm() <= 1e-5 * expected.norm()


def test_norms_for_local_eyes_are_those_of_the_users() -> None:
    model = Toy().double()
    batch = Batch(LENGTHS)
    gradient = SeededGradient(model, clipping_norm=0.3)
    _private(model, batch, gradient)
    torch.testing.assert_close(gradient.local_norms(), toy_gradients(model, batch).norm(dim=1))


def test_outside_recording_gradients_are_ordinary() -> None:
    model = Toy().double()
    batch = Batch(LENGTHS)
    batch.losses(model).sum().backward()
    torch.testing.assert_close(released(model), toy_gradients(model, batch).sum(0))


def test_the_unprotected_twin_gives_the_mean_gradient() -> None:
    model = Toy().double()
    batch = Batch(LENGTHS)
    total = toy_gradients(model, batch).sum(0)
    for divisor, expected in ((None, total / len(LENGTHS)), (12.0, total / 12)):
        twin = UnprotectedGradient(model, expected_batch_size=divisor)
        with twin.recording():
            losses = batch.losses(model)
        twin.backward(losses)
        torch.testing.assert_close(released(model), expected)
    twin.backward(torch.zeros(0))
    assert not released(model).any()


def test_per_layer_clipping_bounds_each_layer_and_the_whole() -> None:
    torch.manual_seed(0)
    model = Toy().double()
    gradient = SeededGradient(model, clipping_norm=0.1, per_layer=True)
    batch = Batch([5])
    actual = _private(model, batch, gradient)
    layers = [model.events, model.adapter, *model.lstm.layers, model.head, model.summary]
    for layer in layers:
        norm = torch.cat([cast(Tensor, p.grad).flatten() for p in layer.parameters()]).norm()
        assert norm <= 0.1 / math.sqrt(len(layers)) * (1 + 1e-9)
    assert actual.norm() <= 0.1 * (1 + 1e-9)


def test_micro_batches_add_up_to_the_whole_batch() -> None:
    model = Toy().double()
    batch = Batch(LENGTHS)
    whole = _private(model, batch, SeededGradient(model, clipping_norm=0.2))
    parts = SeededGradient(model, clipping_norm=0.2)
    for rows in (
        torch.tensor([0, 1]),
        torch.tensor([], dtype=torch.int64),
        torch.tensor([2, 3, 4, 5]),
    ):
        with parts.recording():
            losses = batch.losses(model, rows)
        parts.accumulate(losses, rows)
    parts.release()
    torch.testing.assert_close(released(model), whole)


def test_two_backward_passes_for_one_user_are_refused() -> None:
    """Real and generated content one after the other: the user would weigh twice the bound."""
    model = Toy().double()
    batch = Batch(LENGTHS)
    gradient = SeededGradient(model, clipping_norm=0.2)
    for rows, refused in ((torch.tensor([0, 2]), False), (torch.tensor([3, 2]), True)):
        with gradient.recording():
            losses = batch.losses(model, rows)
        if refused:
            with pytest.raises(CoupledUsersError, match="twice"):
                gradient.accumulate(losses, rows)
        else:
            gradient.accumulate(losses, rows)
    gradient.release()
    with gradient.recording():
        losses = batch.losses(model, rows)
    gradient.accumulate(losses, rows)  # the next batch may hold them again
    with pytest.raises(CoupledUsersError, match="users"):
        gradient.accumulate(losses, rows[:1])


def test_an_empty_batch_gives_noise_and_nothing_else() -> None:
    model = Toy()
    gradient = SeededGradient(model, clipping_norm=0.5, noise_multiplier=2.0)
    with gradient.recording():
        losses = Batch([]).losses(model)
    gradient.backward(losses)
    noise = released(model)
    assert 0.8 < noise.std().item() < 1.2


def test_no_gradient_carries_over_to_the_next_step() -> None:
    model = Toy().double()
    batch = Batch(LENGTHS)
    gradient = SeededGradient(model, clipping_norm=0.2)
    first = _private(model, batch, gradient)
    torch.testing.assert_close(_private(model, batch, gradient), first)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_user_with_broken_values_leaves_no_trace(poison: float) -> None:
    model = Toy().double()
    batch, healthy = Batch(LENGTHS), Batch(LENGTHS)
    batch.x[2, 1, 0] = poison
    actual = _private(model, batch, SeededGradient(model, clipping_norm=0.2))
    gradient = SeededGradient(model, clipping_norm=0.2)
    with gradient.recording():
        losses = healthy.losses(model, torch.tensor([0, 1, 3, 4, 5]))
    gradient.backward(losses)
    torch.testing.assert_close(actual, released(model))


def test_padding_behind_a_users_end_contributes_exactly_nothing() -> None:
    model = Toy().double()
    clean, dirty = Batch(LENGTHS), Batch(LENGTHS)
    for user, length in enumerate(LENGTHS):
        dirty.x[user, length:] = 1e6
    first = _private(model, clean, SeededGradient(model, clipping_norm=0.2))
    assert torch.equal(_private(model, dirty, SeededGradient(model, clipping_norm=0.2)), first)


class TwoCalls(nn.Module):
    """A layer called twice: the user's gradient is the sum, cross terms included."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.table = Linear(3, 2), Embedding(4, 2)

    def loss_per_user(self, a: Tensor, b: Tensor) -> Tensor:
        first, second = self.linear(a), self.linear(b)
        rows = self.table(torch.arange(len(a)) % 4) + self.table(torch.arange(len(a)) % 2)
        return ((first - second.mean(1) + rows).square()).sum(1)


def test_a_layer_called_twice_is_one_gradient_per_user() -> None:
    torch.manual_seed(0)
    model = TwoCalls().double()
    a, b = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 4, 3, dtype=torch.float64)
    expected = []
    for user in range(5):
        model.zero_grad()
        model.loss_per_user(a, b)[user].backward()
        expected.append(released(model))
    gradient = SeededGradient(model, clipping_norm=0.5)
    with gradient.recording():
        losses = model.loss_per_user(a, b)
    gradient.backward(losses)
    torch.testing.assert_close(released(model), clipped_sum(torch.stack(expected), 0.5))


def test_bfloat16_models_take_their_norms_in_float32() -> None:
    torch.manual_seed(0)
    model = Toy(width=8, hidden=8).bfloat16()
    batch = Batch([6] * 8, width=8)
    gradient = SeededGradient(model, clipping_norm=0.01)
    _private(model, batch, gradient)
    norms = gradient.local_norms()
    assert norms.dtype == torch.float32
    double = Toy(width=8, hidden=8).double()
    double.load_state_dict(model.state_dict())
    torch.testing.assert_close(
        norms.double(), toy_gradients(double, batch).norm(dim=1), rtol=0.1, atol=0.0
    )


def test_a_bfloat16_user_weighs_no_more_than_the_bound() -> None:
    """Rounded to bfloat16, factors and sums would let up to half a percent more through."""
    for seed in range(5):
        torch.manual_seed(seed)
        model = Toy(width=8, hidden=8).bfloat16()
        gradient = SeededGradient(model, clipping_norm=0.01)
        with gradient.recording():
            losses = Batch([6], width=8, seed=seed).losses(model)
        gradient.accumulate(losses, torch.tensor([0]))
        assert gradient._take_sum().norm().item() <= 0.01 * (1 + 1e-4)


@pytest.mark.parametrize("older", [True, False], ids=["older setting", "newer setting"])
def test_products_in_reduced_precision_are_refused(older: bool) -> None:
    model = nn.Sequential(Linear(3, 3))
    gradient = SeededGradient(model, clipping_norm=1)
    with gradient.recording():
        losses = model(torch.ones(2, 3)).sum(1)
    try:
        if older:
            torch.set_float32_matmul_precision("high")
        else:
            torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # type: ignore[attr-defined]
        with pytest.raises(ReducedPrecisionError):
            gradient.backward(losses)
    finally:
        if not older:
            torch.backends.mkldnn.matmul.fp32_precision = "none"  # type: ignore[attr-defined]
        torch.set_float32_matmul_precision("highest")
    gradient.backward(losses)
    assert model[0].weight.grad is not None


def test_seeded_noise_is_refused_in_production() -> None:
    class Lookalike:
        def draw(self, count: int) -> Tensor:
            return torch.zeros(count)

    with pytest.raises(UntrustedNoiseError):
        PrivateGradient(
            Toy(),
            clipping_norm=1,
            noise_multiplier=1,
            expected_batch_size=1,
            noise=cast(SecureGaussian, Lookalike()),
        )


@pytest.mark.parametrize(
    ("norm", "noise", "size"),
    [(0, 1, 1), (1, 0, 1), (1, 1, 0), (math.inf, 1, 1), (1, math.nan, 1), (1, -1, 1)],
)
def test_numbers_that_give_no_guarantee_are_refused(norm: float, noise: float, size: float) -> None:
    with pytest.raises(InvalidMechanismError):
        PrivateGradient(
            Toy(),
            clipping_norm=norm,
            noise_multiplier=noise,
            expected_batch_size=size,
            noise=SecureGaussian(),
        )


@pytest.mark.parametrize(
    "stranger", [nn.BatchNorm1d(3), nn.GRU(3, 3), nn.Linear(3, 3)], ids=lambda m: type(m).__name__
)
def test_an_unsupported_layer_is_named(stranger: nn.Module) -> None:
    model = nn.Sequential(Linear(3, 3), stranger)
    with pytest.raises(UnsupportedLayerError, match=type(stranger).__name__):
        SeededGradient(model, clipping_norm=1)


def test_frozen_parameters_need_no_supported_layer() -> None:
    model = nn.Sequential(Linear(3, 3), nn.Linear(3, 3).requires_grad_(False))
    gradient = SeededGradient(model, clipping_norm=1)
    with gradient.recording():
        losses = model(torch.ones(2, 3)).sum(1)
    gradient.backward(losses)
    assert model[1].weight.grad is None
    assert model[0].weight.grad is not None


def test_a_parameter_shared_by_two_layers_is_refused() -> None:
    model = nn.Sequential(Linear(3, 3), Linear(3, 3))
    model[1].weight = model[0].weight
    with pytest.raises(UnsupportedLayerError):
        SeededGradient(model, clipping_norm=1)


def test_using_a_weight_around_its_layer_is_noticed() -> None:
    model = nn.Sequential(Linear(3, 3))
    gradient = SeededGradient(model, clipping_norm=1)
    with gradient.recording():
        losses = (model(torch.ones(2, 3)) @ model[0].weight).sum(1)
    with pytest.raises(UnrecordedGradientError):
        gradient.backward(losses)
    assert model[0].weight.grad is None


def test_losses_computed_outside_recording_are_refused() -> None:
    model = Toy().double()
    gradient = SeededGradient(model, clipping_norm=1)
    with pytest.raises(UnrecordedGradientError):
        gradient.backward(Batch(LENGTHS).losses(model))


def test_a_mean_over_the_batch_is_refused() -> None:
    model = Toy().double()
    gradient = SeededGradient(model, clipping_norm=1)
    with gradient.recording():
        losses = Batch(LENGTHS).losses(model)
    with pytest.raises(CoupledUsersError):
        gradient.backward(losses.mean())


def test_a_layer_applied_to_something_else_than_the_users_is_refused() -> None:
    """The adapter applied to all catalogue items, say: those rows belong to no user."""
    model = nn.Sequential(Linear(3, 3))
    gradient = SeededGradient(model, clipping_norm=1)
    with gradient.recording():
        items = model(torch.ones(7, 3))
        losses = (torch.ones(2, 3) @ items.t()).sum(1)
    with pytest.raises(CoupledUsersError):
        gradient.backward(losses)


def test_evaluation_leaves_no_state_behind() -> None:
    """A forward pass without a backward pass must not disturb the next step."""
    model = Toy().double()
    batch = Batch(LENGTHS)
    gradient = SeededGradient(model, clipping_norm=0.2)
    expected = _private(model, batch, gradient)
    with gradient.recording():
        batch.losses(model)
    with torch.no_grad():
        batch.losses(model)
    torch.testing.assert_close(_private(model, batch, gradient), expected)


def test_packings_of_one_batch_may_differ_between_layers() -> None:
    model = nn.Sequential(Linear(2, 2), Linear(2, 2)).double()
    lengths = torch.tensor([1, 2])
    packing = Packing.from_lengths(lengths)
    gradient = SeededGradient(model, clipping_norm=0.1)
    with gradient.recording():
        tokens = model[0](torch.ones(3, 2, dtype=torch.float64), packing)
        losses = model[1](packing.last(tokens)).sum(1)
    gradient.backward(losses)
    assert released(model).norm() <= 0.2 * (1 + 1e-9)
