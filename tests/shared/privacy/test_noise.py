"""Noise is standard normal, never repeats, and is not from a seedable generator."""

from __future__ import annotations

import math
import os
import struct

import numpy as np
import pytest
import torch
from scipy import stats

from shared.privacy.noise import KeyStream, SecureGaussian, radii


def test_draws_are_standard_normal_out_into_the_tails() -> None:
    z = SecureGaussian().draw(400_000).numpy()
    assert stats.kstest(z, "norm").pvalue > 1e-6
    assert abs(z.var() - 1) < 0.02
    assert np.abs(z).max() > 4
    assert abs(float(np.mean(z[:-1] * z[1:]))) < 0.01


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_any_number_can_be_drawn(count: int) -> None:
    assert SecureGaussian().draw(count).shape == (count,)


def test_seeds_of_numpy_and_torch_have_no_influence() -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)
        draws.append(SecureGaussian().draw(8))
    assert not torch.equal(*draws)


def test_one_source_never_repeats() -> None:
    source = SecureGaussian()
    assert not torch.equal(source.draw(8), source.draw(8))


def test_radii_are_those_of_normal_vectors_in_a_plane() -> None:
    sample = radii(KeyStream().integers(100_000))
    assert stats.kstest(sample.numpy(), "rayleigh").pvalue > 1e-6


def test_radii_are_finite_at_both_ends_and_reach_far_into_the_tail() -> None:
    ends = radii(torch.tensor([0, 1, (1 << 52), (1 << 53) - 2, (1 << 53) - 1]))
    assert bool(ends.isfinite().all())
    assert ends[0].item() == pytest.approx(8.65, abs=0.01)
    assert ends[2].item() == pytest.approx(math.sqrt(2 * math.log(2)), rel=1e-6)
    assert ends[-1].item() == 0
    assert ends.tolist() == sorted(ends.tolist(), reverse=True)


def test_a_forked_process_takes_a_new_key() -> None:
    stream = KeyStream()
    stream.bytes(8)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, bytes(stream.bytes(8)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 8)
    assert struct.unpack("<q", theirs) != struct.unpack("<q", bytes(stream.bytes(8)))
