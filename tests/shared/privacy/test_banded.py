"""Banded noise cancels over time, keeps users' steps apart, and costs what it claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.models.layers import Linear
from shared.privacy.banded import (
    BandedGradient,
    CyclicSampler,
    banded_coefficients,
    banded_mechanism,
    group_of,
    lots_of,
    prefix_noise,
)
from shared.privacy.errors import InvalidMechanismError
from shared.privacy.noise import SecureGaussian
from tests.shared.privacy.toy import released

STEPS = 30


def _gradient(bands: int, earlier: torch.Tensor | None = None) -> BandedGradient:
    return BandedGradient(
        Linear(50, 40),
        clipping_norm=1.0,
        noise_multiplier=1.0,
        expected_batch_size=1.0,
        noise=SecureGaussian(),
        coefficients=banded_coefficients(bands, STEPS),
        earlier=earlier,
    )


def _noise(gradient: BandedGradient, steps: int) -> torch.Tensor:
    return torch.stack([gradient._draw_noise(2040) for _ in range(steps)])


def test_more_bands_leave_less_noise_on_the_sums() -> None:
    noise = [prefix_noise(banded_coefficients(b, STEPS), STEPS).item() for b in (1, 2, 4, 8)]
    assert noise == sorted(noise, reverse=True)
    plain = (sum(range(1, STEPS + 1)) / STEPS) ** 0.5
    assert noise[0] == pytest.approx(plain)


def test_the_optimum_beats_the_truncated_square_root() -> None:
    from shared.privacy.banded import _square_root_series

    series = _square_root_series(4)
    truncated = prefix_noise(series / series.norm(), STEPS)
    assert prefix_noise(banded_coefficients(4, STEPS), STEPS) <= truncated


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_the_noise_undoes_into_independent_normals(bands: int) -> None:
    """C w must be white again: that, and |c| = 1, is what the guarantee rests on."""
    coefficients = banded_coefficients(bands, STEPS)
    w = _noise(_gradient(bands), 20).double()
    white = torch.zeros_like(w)
    for lag, weight in enumerate(coefficients.tolist()):
        white[lag:] += weight * w[: len(w) - lag]
    assert coefficients.norm().item() == pytest.approx(1.0)
    assert white.var().item() == pytest.approx(1.0, abs=0.05)
    assert (white[1:] * white[:-1]).mean().abs().item() < 0.03


def test_the_measured_noise_on_sums_is_what_the_coefficients_promise() -> None:
    w = _noise(_gradient(4), STEPS).double()
    measured = w.cumsum(0).square().mean().sqrt().item()
    promised = prefix_noise(banded_coefficients(4, STEPS), STEPS).item()
    assert measured == pytest.approx(promised, rel=0.1)


def test_the_state_goes_on_across_rounds() -> None:
    first = _gradient(3)
    _noise(first, 5)
    second = _gradient(3, earlier=first.state)
    assert torch.equal(second.state, first.state)
    torch.testing.assert_close(second._draw_noise(2040), second.state[0])


def test_a_released_gradient_carries_the_banded_noise() -> None:
    gradient = _gradient(2)
    gradient.release()
    model_noise = gradient.state[0]
    assert model_noise.std().item() > 0.5
    layer = Linear(2, 2)
    other = BandedGradient(
        layer,
        clipping_norm=2.0,
        noise_multiplier=3.0,
        expected_batch_size=4.0,
        noise=SecureGaussian(),
        coefficients=banded_coefficients(2, 10),
    )
    other.release()
    torch.testing.assert_close(released(layer), other.state[0] * 1.5)


def test_each_user_appears_only_when_its_groups_turn_comes() -> None:
    groups = group_of(lots_of([f"user {k}" for k in range(400)]), 4)
    sampler = CyclicSampler(0.5, groups, 4)
    for step, rows in enumerate(sampler.batches(12)):
        assert set(groups[rows]) <= {step % 4}
    later = CyclicSampler(0.5, groups, 4, step=sampler.step + 1)
    assert set(groups[later.draw()]) <= {1}


def test_a_leaving_user_moves_nobody_else_to_another_group() -> None:
    names = [f"user {k}" for k in range(50)]
    assert np.array_equal(group_of(lots_of(names), 8)[1:], group_of(lots_of(names[1:]), 8))


def test_its_cost_is_that_of_one_turn_in_b() -> None:
    mechanism = banded_mechanism(noise_multiplier=1.0, group_rate=0.2, steps=10, bands=4)
    assert (mechanism.steps, mechanism.sample_rate) == (3, 0.2)


def test_impossible_bands_and_coefficients_are_refused() -> None:
    with pytest.raises(InvalidMechanismError):
        banded_coefficients(5, 4)
    with pytest.raises(InvalidMechanismError):
        BandedGradient(
            Linear(2, 2),
            clipping_norm=1.0,
            noise_multiplier=1.0,
            expected_batch_size=1.0,
            noise=SecureGaussian(),
            coefficients=torch.ones(2, dtype=torch.float64),
        )
