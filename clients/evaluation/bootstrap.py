"""Paired bootstrap over users: whether one system is better than another, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clients.data.dataset import Float64s

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean with its percentile bootstrap interval (Efron & Tibshirani 1993, ch. 13)."""

    mean: float
    low: float
    high: float


def paired_difference(
    better: Float64s, base: Float64s, *, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Mean of ``better - base`` over the same users, with its 95% interval.

    Resampling users with replacement only asks how often each *value* is drawn, so the draws are
    multinomial over the distinct differences: exact, and quick for metrics with few values.

    Parameters
    ----------
    better, base
        (B,) one metric of two systems, the same users in the same order.
    seed
        Public research seed; the interval is reproducible.
    """
    values, counts = np.unique(better - base, return_counts=True)
    if len(values) == 0:
        return Interval(mean=0.0, low=0.0, high=0.0)
    total = int(counts.sum())
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(total, counts / total, size=resamples)
    means = draws @ values / total
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(mean=float(values @ counts / total), low=float(low), high=float(high))
