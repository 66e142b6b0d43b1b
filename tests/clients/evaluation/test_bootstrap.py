import numpy as np
import pytest

from clients.evaluation.bootstrap import macro_difference, paired_difference


def test_interval_agrees_with_the_normal_one_on_many_users() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(4000)
    better = base + rng.normal(0.05, 0.2, 4000)
    found = paired_difference(better, base, seed=7, resamples=4000)
    error = np.std(better - base, ddof=1) / np.sqrt(4000)
    assert found.mean == pytest.approx(np.mean(better - base))
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.1 * error)


def test_pairing_cancels_what_both_systems_share() -> None:
    base = np.random.default_rng(2).random(500)
    found = paired_difference(base + 0.01, base, seed=0)
    assert found.low == pytest.approx(0.01)
    assert found.high == pytest.approx(0.01)


def test_same_seed_same_interval() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.random(50), rng.random(50)
    assert paired_difference(one, two, seed=4) == paired_difference(one, two, seed=4)
    assert paired_difference(one, two, seed=4) != paired_difference(one, two, seed=5)


def test_no_users_no_difference() -> None:
    nothing = np.array([])
    assert paired_difference(nothing, nothing, seed=0).high == 0.0


def test_each_platform_counts_alike_in_the_macro_mean_whatever_its_users() -> None:
    large, small = np.zeros(1000), np.zeros(10)
    found = macro_difference([(large + 0.1, large), (small + 0.3, small)], seed=0)
    assert found.mean == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2)


def test_one_platform_gives_the_interval_of_its_users() -> None:
    rng = np.random.default_rng(5)
    better, base = rng.random(300), rng.random(300)
    assert macro_difference([(better, base)], seed=1) == paired_difference(better, base, seed=1)
