"""Banded against independent noise at equal epsilon: quality of a model, not only noise."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from shared.models.layers import Linear
from shared.privacy.accounting import Budget, Mechanism, calibrate_noise, default_delta
from shared.privacy.banded import (
    BandedGradient,
    CyclicSampler,
    banded_coefficients,
    banded_mechanism,
    group_of,
    lots_of,
)
from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian
from shared.privacy.sampling import PoissonSampler

BATCH, STEPS, WIDTH, CLIP = 512, 300, 128, 3.5
RATES = (0.25, 0.5, 1.0, 2.0)
"""Learning rates, of which each kind of noise takes its best."""

Data = tuple[Tensor, Tensor, Tensor, Tensor]
"""Training inputs and labels, test inputs and labels."""


class Regression(nn.Module):
    """Logistic regression, one example a user."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Linear(WIDTH, 1, bias=False)
        nn.init.zeros_(self.layer.weight)

    def loss_per_user(self, x: Tensor, y: Tensor) -> Tensor:
        """(B,) nats."""
        margin: Tensor = self.layer(x).squeeze(1) * y
        return nn.functional.softplus(-margin)


def row(users: int, epsilon: float, bands: int, repeats: int) -> dict[str, Any]:
    """Test loss of both at one budget; each repetition with fresh data and noise."""
    budget = Budget(epsilon=epsilon, delta=default_delta(users))
    rate, group_rate = BATCH / users, bands * BATCH / users
    plain = Mechanism(noise_multiplier=1.0, sample_rate=rate, steps=STEPS)
    turns = banded_mechanism(noise_multiplier=1.0, group_rate=group_rate, steps=STEPS, bands=bands)
    noises = calibrate_noise([plain], budget), calibrate_noise([turns], budget)
    groups = group_of(lots_of([str(user) for user in range(users)]), bands)
    coefficients = banded_coefficients(bands, STEPS)

    def independent(data: Data, learning_rate: float) -> float:
        model = Regression()
        gradient = PrivateGradient(model, **_terms(noises[0]))
        return _train(model, gradient, PoissonSampler(rate, users), data, learning_rate)

    def correlated(data: Data, learning_rate: float) -> float:
        model = Regression()
        gradient = BandedGradient(model, **_terms(noises[1]), coefficients=coefficients)
        return _train(
            model, gradient, CyclicSampler(group_rate, groups, bands), data, learning_rate
        )

    losses = {"independent": _best(independent, users, repeats)}
    losses["banded"] = _best(correlated, users, repeats)
    return {
        "what": "banded noise, quality",
        "compared_with": "independent Gaussian noise at equal epsilon, same data",
        "users": users,
        "epsilon": epsilon,
        "bands": bands,
        "noise_multiplier": {"independent": noises[0], "banded": noises[1]},
        "test_loss": {name: statistics.mean(values) for name, values in losses.items()},
        "test_loss_error": {
            name: statistics.stdev(values) / repeats**0.5 for name, values in losses.items()
        },
        "repeats": repeats,
    }


def _best(train: Callable[[Data, float], float], users: int, repeats: int) -> list[float]:
    """Test losses at the learning rate with the lowest mean."""
    data = [_data(users, seed) for seed in range(repeats)]
    runs = [[train(own, learning_rate) for own in data] for learning_rate in RATES]
    return min(runs, key=statistics.mean)


def _terms(noise_multiplier: float) -> dict[str, Any]:
    return {
        "clipping_norm": CLIP,
        "noise_multiplier": noise_multiplier,
        "expected_batch_size": BATCH,
        "noise": SecureGaussian(),
    }


def _data(users: int, seed: int) -> Data:
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randn(WIDTH, generator=generator) / WIDTH**0.5 * 3
    x = torch.randn(users + 4000, WIDTH, generator=generator) / WIDTH**0.5 * 3
    chance = torch.sigmoid(x @ truth)
    y = 2.0 * (torch.rand(len(x), generator=generator) < chance) - 1
    return x[:users], y[:users], x[users:], y[users:]


def _train(
    model: Regression,
    gradient: PrivateGradient,
    sampler: PoissonSampler | CyclicSampler,
    data: Data,
    learning_rate: float,
) -> float:
    """Test loss after plain SGD, whose model is the prefix sum that banded noise is made for."""
    x, y, test_x, test_y = data
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for rows in sampler.batches(STEPS):
        chosen = torch.from_numpy(rows)
        with gradient.recording():
            losses = model.loss_per_user(x[chosen], y[chosen])
        gradient.backward(losses)
        optimizer.step()
    with torch.no_grad():
        return model.loss_per_user(test_x, test_y).mean().item()
