"""Distributed noise has the right distribution, opens with the sum, and is charged validly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from shared.secagg import Refusal, Suite, released_sum
from shared.secagg.fixed_point import signed
from shared.secagg.noise import discrete_gaussian
from shared.secagg.suites import keystream
from tests.shared.secagg.grid import Grid, policy, session


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


def test_the_cost_is_that_of_the_worst_survivor_set_without_colluders():
    """m - c honest shares; at this width the lattice costs nothing."""
    rules = policy(7, 2, length=100, share_noise=2.0)
    step = released_sum(rules, norm=1.0)
    assert step.honest == rules.survivor_floor - rules.colluders
    assert step.noise_multiplier == pytest.approx(2.0 * math.sqrt(step.honest), rel=1e-5)
    assert step.alone_multiplier == pytest.approx(2.0, rel=1e-5)
    assert step.mismatch == 0


def test_rounding_to_a_coarse_ring_is_part_of_the_sensitivity():
    coarse = policy(7, 2, length=10_000, ring_bits=16, share_noise=2.0)
    moved = 1.0 + coarse.step * math.sqrt(coarse.length)
    assert released_sum(coarse, norm=1.0).alone_multiplier == pytest.approx(2.0 / moved)
    assert moved > 1.2


def test_noise_narrower_than_the_lattice_is_charged_for_the_difference():
    base = policy(3, 0, length=100, ring_bits=32)
    narrow = replace(base, share_noise=base.step * 1.1)
    assert released_sum(narrow, norm=1.0).mismatch > 0


def test_the_same_noise_key_gives_the_same_noise_in_another_attempt():
    def noise(attempt):
        rules = policy(3, 0, share_noise=0.5)
        grid = Grid(rules, session(attempt=attempt), noise_key=bytes(range(32)))
        return signed(grid.run().ring_sum).astype(np.int64) - np.array(grid.exact((1, 2, 3)))

    assert np.array_equal(noise(0), noise(1))
    assert noise(0).std() > 0


def test_groups_and_distributed_noise_exclude_each_other():
    with pytest.raises(Refusal) as refusal:
        policy(12, 0, groups=2, share_noise=1.0)
    assert refusal.value.code == "SA-001"
