"""The attacks' own measures, against definitions worked out the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.attacks.statistics import (
    auc,
    mean_interval,
    pooled_interval,
    recall,
    true_positive_rate,
)

RANDOM = np.random.default_rng(3)
SCORES = np.round(RANDOM.normal(size=80), 1)  # with ties
MEMBERS = RANDOM.random(80) < 0.3


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    pairs = [
        (inside > outside) + 0.5 * (inside == outside)
        for inside in SCORES[MEMBERS]
        for outside in SCORES[~MEMBERS]
    ]
    assert auc(SCORES, MEMBERS) == pytest.approx(np.mean(pairs))


def test_recall_looks_at_as_many_as_there_are_members() -> None:
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    assert recall(scores, np.array([True, False, True, False, False])) == 0.5
    assert recall(scores, np.array([True, True, False, False, False])) == 1.0


def test_no_more_others_than_allowed_lie_above_the_threshold() -> None:
    members = np.r_[np.ones(10, bool), np.zeros(100, bool)]
    scores = np.r_[np.full(10, 98.5), np.arange(100.0)]
    assert true_positive_rate(scores, members, 0.01) == 1.0
    assert true_positive_rate(scores, members, 0.0) == 0.0


def test_student_interval_of_three_values() -> None:
    found = mean_interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.high - 2.0 == pytest.approx(4.302653 / 3**0.5, rel=1e-5)
    assert mean_interval([0.9, 1.0, 1.0], (0, 1)).high == 1.0


def test_whole_trials_are_resampled() -> None:
    """Copies of scores within a trial say nothing new, so they must not narrow the interval."""
    trials = [(scores, RANDOM.random(20) < 0.5) for scores in RANDOM.normal(size=(12, 20))]
    copied = [(np.tile(scores, 9), np.tile(coins, 9)) for scores, coins in trials]
    one, many = pooled_interval(trials, auc, 0), pooled_interval(copied, auc, 0)
    assert many.high - many.low == pytest.approx(one.high - one.low)
    assert one.low < one.mean < one.high
