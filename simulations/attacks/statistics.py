"""How well an attack tells members from the rest, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from scipy.stats import t as student

from clients.evaluation.bootstrap import CONFIDENCE, Interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Trial = tuple[Floats, Bools]
"""Scores of one trial and which of what was scored was really there."""

RESAMPLES: Final = 1000


def auc(scores: Floats, members: Bools) -> float:
    """Probability that a member scores above a non-member, ties counted half; 0.5 is chance.

    Parameters
    ----------
    scores, members
        (n,) scores and which of them belong to members; both kinds are there.
    """
    count = int(members.sum())
    ranks = float(rankdata(scores)[members].sum())
    return (ranks - count * (count + 1) / 2) / (count * (len(members) - count))


def recall(scores: Floats, members: Bools) -> float:
    """Share of the members among as many of the highest scores, equal ones in their order."""
    count = int(members.sum())
    top = np.argsort(-scores, kind="stable")[:count]
    return float(members[top].mean())


def true_positive_rate(scores: Floats, members: Bools, false_positive_rate: float) -> float:
    """Share of members above a threshold that this share of the others exceeds, at most."""
    others = np.sort(scores[~members])[::-1]
    allowed = int(false_positive_rate * len(others))
    return float((scores[members] > others[allowed]).mean())


def mean_interval(
    values: Sequence[float], limits: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """Mean of one figure a trial, with its 95% interval over trials, after Student.

    Parameters
    ----------
    values
        Two or more; resampling so few would give intervals that are too narrow.
    limits
        Between which the figure lies whatever happens.
    """
    found = np.asarray(values, dtype=np.float64)
    mean, count = float(found.mean()), len(found)
    reach = float(student.ppf((1 + CONFIDENCE) / 2, count - 1) * found.std(ddof=1) / count**0.5)
    low, high = max(limits[0], mean - reach), min(limits[1], mean + reach)
    return Interval(mean=mean, low=low, high=high)


def pooled_interval(
    trials: Sequence[Trial], figure: Callable[[Floats, Bools], float], seed: int
) -> Interval:
    """A figure of all trials' scores together; whole trials are resampled.

    Scores within a trial depend on each other, so an interval over single scores, as of Clopper and
    Pearson, would be too narrow.
    """

    def pooled(rows: Sequence[int]) -> float:
        scores = np.concatenate([trials[row][0] for row in rows])
        return figure(scores, np.concatenate([trials[row][1] for row in rows]))

    drawn = np.random.default_rng(seed).integers(0, len(trials), (RESAMPLES, len(trials)))
    resampled = [pooled(rows) for rows in drawn.tolist()]
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return Interval(mean=pooled(range(len(trials))), low=float(low), high=float(high))
