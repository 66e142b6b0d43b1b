"""Models of ordinary layers go through Opacus with our clipping, noise and accounting."""

from __future__ import annotations

import pytest
import torch
from opacus.accountants import PRVAccountant
from torch import nn

from shared.privacy.accounting import epsilon
from shared.privacy.errors import UnsupportedLayerError
from shared.privacy.noise import SecureGaussian
from shared.privacy.opacus_gradient import OpacusGradient, mechanisms_of
from tests.shared.privacy.toy import clipped_sum, per_user_gradients, released

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Full backward hook"),
]


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 2)).double()


def _gradient(model: nn.Module, noise: float = 1e-9) -> OpacusGradient:
    return OpacusGradient(
        model,
        clipping_norm=0.5,
        noise_multiplier=noise,
        expected_batch_size=1.0,
        noise=SecureGaussian(),
    )


def test_the_release_is_the_clipped_sum() -> None:
    model, x = _model(), torch.randn(7, 4, dtype=torch.float64)
    expected = clipped_sum(
        per_user_gradients(model, [model(x[i : i + 1]).sin().sum() for i in range(7)]), 0.5
    )
    gradient = _gradient(model)
    for _ in range(2):  # nothing carries over
        with gradient.recording():
            losses = gradient.wrapped(x).sin().sum(1)
        gradient.backward(losses)
        torch.testing.assert_close(released(model), expected, atol=1e-7, rtol=1e-7)


def test_an_empty_batch_gives_noise() -> None:
    model = _model()
    gradient = _gradient(model, noise=1.0)
    gradient.backward(torch.zeros(0))
    assert released(model).std().item() == pytest.approx(0.5, rel=0.5)


def test_batch_statistics_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedLayerError, match="BatchNorm"):
        _gradient(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))


def test_an_opacus_history_costs_the_same_in_our_accountant() -> None:
    accountant = PRVAccountant()
    for _ in range(100):
        accountant.step(noise_multiplier=1.1, sample_rate=0.05)
    ours = epsilon(mechanisms_of(accountant.history), 1e-5)
    assert ours == pytest.approx(accountant.get_epsilon(1e-5), abs=0.02)
