"""Honest updates stay within the norm that a sum is held against, whatever is added to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.secagg.bounds import largest_norm, scale_to_norm
from tests.shared.secagg.grid import Grid, policy

values = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float32, st.integers(1, 50), elements=values), st.floats(1e-3, 1e3))
def test_a_long_update_is_scaled_to_the_norm_and_a_short_one_left(update, norm):
    scaled = scale_to_norm(update, norm)
    assert scaled.dtype == np.float32
    assert np.linalg.norm(scaled.astype(np.float64)) <= largest_norm(policy(3, 0), norm)
    if np.linalg.norm(update.astype(np.float64)) < norm * 0.999:
        assert np.array_equal(scaled, update)


def test_a_norm_of_zero_scales_and_checks_nothing():
    update = np.full(5, 9.0, np.float32)
    assert scale_to_norm(update, 0.0) is update
    assert largest_norm(policy(3, 0), 0.0) == 0.0


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("bits", [16, 32])
def test_a_sum_of_updates_at_the_norm_is_accepted_with_rounding_and_noise(noise, bits):
    rules = policy(4, 1, length=2000, ring_bits=bits, noise_std=1.0, share_noise=noise)
    rules = policy(
        4,
        1,
        length=2000,
        ring_bits=bits,
        noise_std=1.0,
        share_noise=noise,
        norm_bound=largest_norm(rules, 0.25),
    )
    grid = Grid(rules)
    same = scale_to_norm(np.ones(2000, np.float32), 0.25)
    grid.updates = dict.fromkeys(rules.ids, same)
    aggregate = grid.run()
    grid.nodes[1].verify(grid.results[1], aggregate.ring_sum)
