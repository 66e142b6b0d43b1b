"""Quantisation is exact to half a step, cannot wrap, and refuses what is not a finite vector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.secagg import Refusal
from shared.secagg.fixed_point import bound, check_update, dequantise, quantise, ring_dtype, signed

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.integers(2, 256), st.sampled_from([16, 32]))
def test_all_partners_at_the_bound_do_not_wrap(partners, bits):
    assert partners * bound(partners, bits) < 1 << (bits - 1)
    assert partners * (bound(partners, bits) + 1) > (1 << (bits - 1)) - 1 - partners


@given(arrays(np.float32, st.integers(1, 50), elements=finite), st.sampled_from([16, 32]))
def test_values_come_back_within_half_a_step_of_their_clipped_value(update, bits):
    limit, clip = bound(10, bits), 2.0
    out = np.empty(update.size, ring_dtype(bits))
    quantise(update, clip=clip, limit=limit, bits=bits, out=out)
    back = dequantise(out, clip=clip, limit=limit)
    assert np.abs(back - np.clip(update.astype(float), -clip, clip)).max() <= clip / limit * 0.5001
    assert np.abs(signed(out).astype(np.int64)).max() <= limit


@pytest.mark.parametrize("size", [5, 1 << 16, (1 << 16) * 2 + 7])
def test_a_32_bit_update_is_quantised_in_its_own_memory(size):
    update = np.linspace(-1, 1, size, dtype=np.float32)
    apart = np.empty(size, "<u4")
    quantise(update, clip=1.0, limit=1000, bits=32, out=apart)
    quantise(update, clip=1.0, limit=1000, bits=32, out=update.view("<u4"))
    assert (update.view("<u4") == apart).all()


@given(st.floats(1e-3, 1e3), st.sampled_from([16, 32]), st.integers(2, 256))
def test_the_float32_next_to_the_clip_stays_within_the_bound(clip, bits, partners):
    """Rounded up to float32, the clip is more than itself; steps of 2^-31 would show it."""
    near = np.float32(clip)
    update = np.array([near, -near, np.nextafter(near, np.float32(np.inf))], np.float32)
    limit, out = bound(partners, bits), np.empty(3, ring_dtype(bits))
    quantise(update, clip=clip, limit=limit, bits=bits, out=out)
    assert np.abs(signed(out).astype(np.int64)).max() <= limit


def test_known_values():
    out = np.empty(4, "<u4")
    update = np.array([0.5, -0.25, 1, -2], np.float32)
    quantise(update, clip=1.0, limit=bound(100, 32), bits=32, out=out)
    assert bound(100, 32) == 21474836
    assert bound(100, 16) == 327
    assert signed(out).tolist() == [10737418, -5368709, 21474836, -21474836]


@pytest.mark.parametrize("place", [0, 1 << 16, 70_000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_by_its_place(place, bad):
    update = np.zeros(70_001, np.float32)
    update[place] = bad
    with pytest.raises(Refusal) as refusal:
        check_update(update, 70_001)
    assert refusal.value.code == "SA-020"
    assert str(place) in refusal.value.where


def test_a_strided_update_is_refused():
    with pytest.raises(Refusal) as refusal:
        check_update(np.zeros(10, np.float32)[::2], 5)
    assert refusal.value.code == "SA-020"
