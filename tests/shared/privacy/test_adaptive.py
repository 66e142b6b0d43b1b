"""The clipping norm finds the quantile, its cost is charged, and nothing private scales it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from shared.models.layers import Linear
from shared.privacy.adaptive import QuantileClippedGradient, gradient_noise
from shared.privacy.errors import InvalidMechanismError
from shared.privacy.noise import SecureGaussian


class Norms(nn.Module):
    """User u's gradient has exactly the norm that its datum says."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Linear(1, 1, bias=False)

    def loss_per_user(self, norms: Tensor) -> Tensor:
        output: Tensor = self.layer(norms[:, None])
        return output.squeeze(1)


def _gradient(start: float, size: float = 200.0) -> QuantileClippedGradient:
    return QuantileClippedGradient(
        Norms(),
        clipping_norm=start,
        noise_multiplier=1.0,
        expected_batch_size=size,
        noise=SecureGaussian(),
    )


def _step(gradient: QuantileClippedGradient, model: Norms, norms: Tensor) -> None:
    with gradient.recording():
        losses = model.loss_per_user(norms)
    gradient.backward(losses)


@pytest.mark.parametrize("start", [0.01, 100.0])
def test_the_norm_converges_to_the_median(start: float) -> None:
    norms = torch.linspace(1, 3, 200)
    model = Norms()
    gradient = QuantileClippedGradient(
        model,
        clipping_norm=start,
        noise_multiplier=1.0,
        expected_batch_size=200.0,
        noise=SecureGaussian(),
    )
    for _ in range(120):
        _step(gradient, model, norms)
    assert gradient.clipping_norm == pytest.approx(2.0, rel=0.25)


def test_an_empty_batch_moves_it_by_noise_alone() -> None:
    """By the public divisor, the share is 1/2; by the actual size it would be undefined."""
    gradient = _gradient(1.0, size=1e6)
    gradient.count_noise = 1.0
    gradient.backward(torch.zeros(0))
    assert gradient.clipping_norm == pytest.approx(1.0, abs=1e-4)


def test_one_user_moves_it_by_a_bounded_step() -> None:
    gradient = _gradient(1.0)
    gradient._observe(torch.tensor([0.5]))
    assert gradient._centred_count == 0.5
    gradient._observe(torch.tensor([5.0]))
    assert gradient._centred_count == 0.0


def test_gradient_and_count_together_cost_what_is_charged() -> None:
    left = gradient_noise(1.0, 10.0)
    assert left > 1.0
    assert math.isclose(left**-2 + 20.0**-2, 1.0)


def test_a_count_that_costs_more_than_everything_is_refused() -> None:
    with pytest.raises(InvalidMechanismError):
        gradient_noise(3.0, 1.0)
