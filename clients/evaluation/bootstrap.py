"""Paired bootstrap over users: whether one system is better than another, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
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
    means = _resampled(better - base, np.random.default_rng(seed), resamples)
    return _interval(float((better - base).mean()) if len(base) else 0.0, means)


def macro_difference(
    pairs: Sequence[tuple[Float64s, Float64s]], *, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Mean over platforms of the mean of ``better - base``; users are resampled within each.

    Parameters
    ----------
    pairs
        (better, base) of each platform, as for `paired_difference`; each platform counts alike.
    """
    rng = np.random.default_rng(seed)
    differences = [better - base for better, base in pairs if len(base)]
    if not differences:
        return Interval(mean=0.0, low=0.0, high=0.0)
    means = np.mean([_resampled(values, rng, resamples) for values in differences], axis=0)
    return _interval(float(np.mean([values.mean() for values in differences])), means)


def _resampled(values: Float64s, rng: np.random.Generator, resamples: int) -> Float64s:
    """(resamples,) means of samples with replacement."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) == 0:
        return np.zeros(resamples)
    total = int(counts.sum())
    draws = rng.multinomial(total, counts / total, size=resamples)
    return np.asarray(draws @ distinct / total, dtype=np.float64)


def _interval(mean: float, means: Float64s) -> Interval:
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(mean=mean, low=float(low), high=float(high))
