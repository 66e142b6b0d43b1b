"""The one-run audit: below the claim for the real code, above it for broken code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shared.models.layers import Linear
from shared.privacy.accounting import Budget, Mechanism, calibrate_noise
from shared.privacy.auditing import epsilon_lower_bound, guess, refutation_p_value
from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian
from shared.privacy.sampling import PoissonSampler

CANARIES = 800
STEPS = 12
CLAIM = Budget(epsilon=1.5, delta=1e-5)
CLIP = 1.0


class Canaries(nn.Module):
    """One linear layer; canary k pushes the k-th weight alone, so gradients are orthogonal."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Linear(CANARIES, 1, bias=False)

    def loss_per_user(self, rows: Tensor) -> Tensor:
        inputs = nn.functional.one_hot(rows, CANARIES).to(torch.float32) * 5 * CLIP
        output: Tensor = self.layer(inputs)
        return output.squeeze(1)


class NoiseOff(PrivateGradient):
    def _draw_noise(self, count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.float64)


class ClippingOff(PrivateGradient):
    def _factors(self, squares: Tensor, norms: Tensor) -> Tensor:
        return torch.ones_like(squares)


class EverybodyEveryTime(PoissonSampler):
    """Not Poisson: all users in every batch, while the claim counts on sampling."""

    def draw(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.arange(self.users)


def _audit(gradient: type[PrivateGradient], sampler: type[PoissonSampler], rate: float) -> float:
    """Lower bound on epsilon of `STEPS` releases claimed to be `CLAIM`."""
    planned = [Mechanism(noise_multiplier=1.0, sample_rate=rate, steps=STEPS)]
    noise = calibrate_noise(planned, CLAIM)
    coins = np.random.default_rng(0).random(CANARIES) < 0.5
    users = torch.from_numpy(np.flatnonzero(coins))
    model = Canaries()
    private = gradient(
        model,
        clipping_norm=CLIP,
        noise_multiplier=noise,
        expected_batch_size=1.0,
        noise=SecureGaussian(),
    )
    scores = np.zeros(CANARIES)
    for rows in sampler(rate, len(users)).batches(STEPS):
        with private.recording():
            losses = model.loss_per_user(users[torch.from_numpy(rows)])
        private.backward(losses)
        assert model.layer.weight.grad is not None
        scores += model.layer.weight.grad.squeeze(0).double().numpy()
    guesses = CANARIES // 4
    right = guess(scores, coins, guesses)
    return epsilon_lower_bound(CANARIES, guesses, right, CLAIM.delta)


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_the_real_code_stays_below_its_claim(rate: float) -> None:
    assert _audit(PrivateGradient, PoissonSampler, rate) < CLAIM.epsilon


def test_the_audit_is_not_blind() -> None:
    """It must see something of a mechanism of known epsilon, or passing it proves nothing."""
    assert _audit(PrivateGradient, PoissonSampler, 1.0) > 0.05


@pytest.mark.parametrize("broken", [NoiseOff, ClippingOff])
def test_the_audit_catches_a_broken_mechanism(broken: type[PrivateGradient]) -> None:
    assert _audit(broken, PoissonSampler, 1.0) > CLAIM.epsilon


def test_the_audit_catches_sampling_that_is_not_poisson() -> None:
    assert _audit(PrivateGradient, EverybodyEveryTime, 0.1) > CLAIM.epsilon


def test_the_p_value_is_the_binomial_tail_without_delta() -> None:
    chance = math.e / (1 + math.e)
    expected = sum(math.comb(20, k) * chance**k * (1 - chance) ** (20 - k) for k in range(18, 21))
    assert refutation_p_value(40, 20, 18, 1.0, 0.0) == pytest.approx(expected)


def test_delta_weakens_and_more_right_guesses_strengthen_the_bound() -> None:
    bounds = [epsilon_lower_bound(1000, 100, right, 1e-5) for right in (50, 80, 95, 100)]
    assert bounds == sorted(bounds)
    assert bounds[0] == 0
    assert epsilon_lower_bound(1000, 100, 95, 1e-3) < bounds[2]


def test_randomised_response_is_not_refuted() -> None:
    """The tight case: right guesses exactly as often as epsilon allows; 1 in 20 may fail."""
    generator = np.random.default_rng(0)
    right = generator.binomial(500, 1 / (1 + math.exp(-1.0)), 400)
    refuted = sum(refutation_p_value(500, 500, int(k), 1.0, 0.0) <= 0.05 for k in right)
    assert refuted <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)
