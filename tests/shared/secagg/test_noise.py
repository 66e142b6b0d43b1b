"""Distributed noise has the right distribution, opens with the sum, and is charged validly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from shared.secagg import Refusal, Suite, central_epsilon
from shared.secagg.fixed_point import signed
from shared.secagg.noise import discrete_gaussian, zero_concentrated
from shared.secagg.suites import keystream
from tests.shared.secagg.grid import Grid, policy


def samples(sigma, size=200_000):
    return discrete_gaussian(keystream(Suite.X25519_AES256, b"n" * 32), size, sigma)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 3.3, 1000.5])
def test_samples_have_the_moments_of_the_discrete_gaussian(sigma):
    drawn = samples(sigma)
    support = np.arange(-math.ceil(15 * sigma), math.ceil(15 * sigma) + 1)
    weight = np.exp(-(support**2) / (2 * sigma**2))
    variance = (weight * support**2).sum() / weight.sum()
    assert abs(drawn.mean()) < 6 * sigma / math.sqrt(drawn.size)
    assert abs(drawn.var() / variance - 1) < 0.03


def test_small_values_come_with_their_exact_frequencies():
    drawn = samples(1.0)
    support = np.arange(-40, 41)
    weight = np.exp(-(support**2) / 2)
    for value in range(-3, 4):
        expected = drawn.size * np.exp(-(value**2) / 2) / weight.sum()
        assert abs((drawn == value).sum() - expected) < 6 * math.sqrt(expected)


@pytest.mark.parametrize("bits", [16, 32])
def test_a_sum_carries_every_survivors_share_of_noise(bits):
    rules = policy(5, 1, length=4000, ring_bits=bits, share_noise=0.5)
    grid = Grid(rules, dropped={5: "mask"})
    aggregate = grid.run()
    noise = signed(aggregate.ring_sum) - np.array(grid.exact((1, 2, 3, 4)))
    assert abs(noise.std() * rules.step / (0.5 * 2) - 1) < 0.1
    grid.nodes[1].verify(grid.results[1], aggregate.ring_sum)


def test_the_same_upload_again_has_the_same_noise():
    rules = policy(4, 0, share_noise=0.5)
    grid = Grid(rules)
    grid.run()
    first = next(upload for stage, i, upload in grid.sent if (stage, i) == ("mask", 2))
    again = grid.nodes[2].mask(grid.updates[2], grid.words[2])
    assert again.header == first.header


def test_epsilon_is_that_of_a_gaussian_of_the_worst_survivor_set_without_colluders():
    """m - c honest shares; at this width the lattice costs nothing."""
    rules = policy(7, 2, length=100, share_noise=2.0)
    honest = rules.survivor_floor - rules.colluders
    gaussian = 1.0 / (2 * honest * 2.0**2)
    assert zero_concentrated(rules, norm=1.0) == pytest.approx(gaussian, rel=1e-5)


def test_more_colluders_more_sums_and_less_noise_cost_more():
    base = policy(9, 1, length=100, share_noise=2.0)
    spent = central_epsilon(base, norm=1.0, sums=10, delta=1e-6)
    assert 0 < spent < math.inf
    assert central_epsilon(base, norm=1.0, sums=20, delta=1e-6) > spent
    assert central_epsilon(replace(base, share_noise=1.0), norm=1.0, sums=10, delta=1e-6) > spent
    relaxed = replace(base, colluders=0, min_survivors=base.survivor_floor)
    assert central_epsilon(relaxed, norm=1.0, sums=10, delta=1e-6) < spent


def test_the_conversion_is_above_the_exact_gaussian_and_close_to_it():
    """One sum, ρ = 1/2 (a Gaussian with σ = Δ): exact ε at δ = 1e-5 is 4.377."""
    rules = policy(3, 0, length=1, share_noise=1.0)
    honest = rules.survivor_floor
    found = central_epsilon(rules, norm=math.sqrt(honest), sums=1, delta=2e-5)
    assert 4.377 < found < 4.9


def test_without_noise_or_with_a_tiny_delta_there_is_no_guarantee():
    assert central_epsilon(policy(5, 1), norm=1.0, sums=1, delta=1e-6) == math.inf
    noised = policy(5, 1, share_noise=1.0)
    assert central_epsilon(noised, norm=1.0, sums=1, delta=1e-15) == math.inf


def test_groups_and_distributed_noise_exclude_each_other():
    with pytest.raises(Refusal) as refusal:
        policy(12, 0, groups=2, share_noise=1.0)
    assert refusal.value.code == "SA-001"
