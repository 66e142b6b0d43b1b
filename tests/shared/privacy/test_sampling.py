"""Batches are Poisson samples: independent coins, not a shuffle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.privacy.errors import InvalidMechanismError
from shared.privacy.sampling import PoissonSampler


def _members(
    sampler: PoissonSampler, steps: int
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    table = np.zeros((steps, sampler.users), dtype=bool)
    for step, rows in enumerate(sampler.batches(steps)):
        table[step, rows] = True
    return table


def test_every_user_enters_at_the_stated_rate() -> None:
    table = _members(PoissonSampler(0.2, 300), 500)
    spread = 5 * math.sqrt(0.2 * 0.8 / 500)
    assert abs(table.mean() - 0.2) < 0.01
    assert np.abs(table.mean(0) - 0.2).max() < spread


def test_batch_sizes_vary_as_those_of_independent_coins_do() -> None:
    """A shuffled epoch, or a fixed batch size, has no such variance."""
    sizes = _members(PoissonSampler(0.2, 300), 500).sum(1)
    assert 0.75 < sizes.var() / (300 * 0.2 * 0.8) < 1.25


def test_being_in_one_batch_says_nothing_about_the_next() -> None:
    table = _members(PoissonSampler(0.3, 400), 400).astype(float)
    following = (table[1:] * table[:-1]).mean()
    assert abs(following - 0.09) < 0.005


def test_rate_one_takes_everybody_and_no_users_give_empty_batches() -> None:
    assert PoissonSampler(1.0, 5).draw().tolist() == [0, 1, 2, 3, 4]
    assert PoissonSampler(0.5, 0).draw().tolist() == []


@pytest.mark.parametrize(("rate", "users"), [(0.0, 5), (1.1, 5), (math.nan, 5), (0.5, -1)])
def test_impossible_numbers_are_refused(rate: float, users: int) -> None:
    with pytest.raises(InvalidMechanismError):
        PoissonSampler(rate, users)
