"""The convex problem behind a fusion's weights: which of some candidates users chose.

Weights θ are either K numbers, one a part, or 2K + 1: those for warm items, those for cold items
and what is added to the score of every cold item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from clients.data.dataset import Float64s
from clients.recommenders.base import Float32s
from clients.recommenders.distributions import log_sum_exp
from clients.recommenders.newton import Bounds, minimise

Bools = NDArray[np.bool_]

FURTHEST: Final = 20.0
"""Most that a cold item is put ahead or behind, in nats: without a bound, one that nobody ever
chose would go to infinity."""
TRIAL_STEPS: Final = 3
"""Steps from what was best with a weight to what is about best without it."""
AT_ONCE: Final = 128
"""Users whose candidates are weighted at once."""
SAME: Final = 1e-3
"""Differences of log-probabilities that are rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What K parts say of B users' candidates.

    Attributes
    ----------
    logs
        (K, B, C) log-probabilities of the candidates.
    own
        (K, B) of the targets.
    shift
        (B, C) logarithm of how many items each stands for; minus infinity for what is no candidate.
    cold, own_cold
        (B, C) and (B,) whether a candidate, and the target, is an item that nobody has met.
    """

    logs: Float32s
    own: Float32s
    shift: Float32s
    cold: Bools
    own_cold: Bools

    @classmethod
    def joined(cls, parts: Sequence[Choices]) -> Choices:
        """Of all users of `parts`."""
        return cls(
            logs=np.concatenate([one.logs for one in parts], axis=1),
            own=np.concatenate([one.own for one in parts], axis=1),
            shift=np.concatenate([one.shift for one in parts]),
            cold=np.concatenate([one.cold for one in parts]),
            own_cold=np.concatenate([one.own_cold for one in parts]),
        )

    def fit(self, allowed: Bools, start: Float64s | None = None) -> Float64s:
        """(K,) or (2K + 1,) weights that make the targets most likely; zero where not `allowed`.

        Parameters
        ----------
        start
            A guess, the better the fewer steps it takes.
        """
        begin = np.ones(len(allowed)) / max(allowed.sum(), 1) if start is None else start
        return _rounded(minimise(self.under, begin, self._bounds(allowed)))

    def refit(self, allowed: Bools, start: Float64s, curvature: Float64s) -> Float64s:
        """About what `fit` finds, near a `start` around which the loss curves like `curvature`."""
        bounds = self._bounds(allowed)
        found = minimise(self.under, start, bounds, curvature=curvature, steps=TRIAL_STEPS)
        return _rounded(found)

    def _bounds(self, allowed: Bools) -> Bounds:
        low, high = np.zeros(len(allowed)), np.where(allowed, np.inf, 0.0)
        if len(allowed) > len(self.logs):
            low[-1], high[-1] = -FURTHEST * allowed[-1], FURTHEST * allowed[-1]
        return Bounds(low, high)

    def under(self, weights: Float64s) -> Likelihood:
        """How likely what users chose is under `weights`."""
        apart = len(weights) > len(self.logs)
        warm, cold, offset = told_apart(weights, len(self.logs))
        scores, own = self._scored(warm)
        if apart:
            cold_scores, cold_own = self._scored(cold)
            scores = np.where(self.cold, cold_scores + np.float32(offset), scores)
            own = np.where(self.own_cold, cold_own + offset, own)
        scores += self.shift
        return Likelihood(self, apart, scores, own, np.logaddexp(log_sum_exp(scores), own))

    def speak_of_cold(self) -> Bools:
        """(K,) whether each part tells cold items from each other.

        What holds of all cold items alike is said by their offset; counts know no more of them.
        """
        return np.array([self._spread(logs) > SAME for logs in self.logs])

    def explains_better(self, more: Float64s, fewer: Float64s, *, sure: float = 0.0) -> bool:
        """Whether `more` weights are worth their number, for users not looked at.

        Parameters
        ----------
        sure
            See `is_worth`.
        """
        extra = int(np.count_nonzero(more) - np.count_nonzero(fewer))
        return is_worth(self.under(fewer).surprise - self.under(more).surprise, extra, sure=sure)

    def _spread(self, logs: Float32s) -> float:
        """Most that a part's (B, C) `logs` differ among one user's cold candidates."""
        low = logs.min(axis=1, where=self.cold, initial=np.inf)
        high = logs.max(axis=1, where=self.cold, initial=-np.inf)
        return float((high - low).max())

    def _scored(self, weights: Float64s) -> tuple[Float32s, Float64s]:
        scores = np.tensordot(weights.astype(np.float32), self.logs, axes=1)
        return scores, weights @ self.own.astype(np.float64)


class Likelihood:
    """How likely choices are under some weights, and how that changes with these.

    Parameters
    ----------
    choices
        Of B users among C candidates.
    apart
        Whether cold items have weights of their own.
    scores, own
        (B, C) of the candidates, (B,) of the targets.
    total
        (B,) logarithm of everything summed.
    """

    def __init__(
        self, choices: Choices, apart: bool, scores: Float32s, own: Float64s, total: Float64s
    ) -> None:
        self._choices, self._apart = choices, apart
        self._scores, self._own, self._total = scores, own, total

    @property
    def surprise(self) -> Float64s:
        """(B,) negative log-likelihood of each user's target."""
        return self._total - self._own

    @property
    def value(self) -> float:
        """Mean negative log-likelihood."""
        return float(self.surprise.mean())

    @cached_property
    def slope(self) -> Float64s:
        """(n,) its gradient: E_pool[log p_k] - log p_k(target)."""
        pool, missed = self._pool, np.exp(-self.surprise) - 1.0
        slope = self._slope(pool, missed)
        if self._apart:
            cold_pool, cold_missed = pool * self._choices.cold, missed * self._choices.own_cold
            cold = self._slope(cold_pool, cold_missed)
            offset = cold_pool.sum(dtype=np.float64) + cold_missed.sum()
            slope = np.concatenate([slope - cold, cold, [offset]])
        return slope / len(missed)

    def curvature(self) -> Float64s:
        """(n, n) its second derivatives: what parts say varies together over the pool."""
        choices, pool, taken = self._choices, self._pool, np.exp(-self.surprise)
        count, kinds = len(choices.logs), [(pool, taken)]
        if self._apart:
            warm = (pool * ~choices.cold, taken * ~choices.own_cold)
            kinds = [warm, (pool * choices.cold, taken * choices.own_cold)]
        found = linalg.block_diag(*(self._second(*kind) for kind in kinds))
        means = np.concatenate([self._first(*kind) for kind in kinds])
        if self._apart:
            cold_pool, cold_taken = kinds[1]
            ones = cold_pool.sum(axis=1, dtype=np.float64) + cold_taken
            edge = np.concatenate([np.zeros(count), means[count:].sum(axis=1)])
            found = np.block([[found, edge[:, None]], [edge, ones.sum()]])
            means = np.concatenate([means, ones[None]])
        return np.asarray((found - means @ means.T) / len(taken), dtype=np.float64)

    @cached_property
    def _pool(self) -> Float32s:
        """(B, C) probability of each candidate."""
        pool: Float32s = np.exp(self._scores - self._total[:, None].astype(np.float32))
        return pool

    def _first(self, pool: Float32s, taken: Float64s) -> Float64s:
        """(K, B) mean of each part's log-probabilities over a pool of candidates."""
        expected = np.einsum("kbc,bc->kb", self._choices.logs, pool, optimize=True)
        return np.asarray(expected + self._choices.own * taken, dtype=np.float64)

    def _second(self, pool: Float32s, taken: Float64s) -> Float64s:
        """(K, K) mean of the products of two parts' log-probabilities, summed over users."""
        all_logs, own = self._choices.logs, self._choices.own
        found = (own * taken) @ own.T.astype(np.float64)
        for start in range(0, len(taken), AT_ONCE):
            users = slice(start, start + AT_ONCE)
            logs = all_logs[:, users].reshape(len(all_logs), -1)
            found += (logs * pool[users].reshape(-1)) @ logs.T
        return np.asarray(found, dtype=np.float64)

    def _slope(self, pool: Float32s, missed: Float64s) -> Float64s:
        expected = np.einsum("kbc,bc->k", self._choices.logs, pool, optimize=True)
        return np.asarray(expected + (self._choices.own * missed).sum(axis=1), dtype=np.float64)


def is_worth(gained: Float64s, extra: int, *, sure: float = 0.0) -> bool:
    """Whether `extra` weights that make targets more likely do so for users not looked at.

    Akaike's criterion (IEEE Trans. Automatic Control 19, 1974).

    Parameters
    ----------
    gained
        (B,) logarithm of how much more likely.
    sure
        Standard errors of the gain by which it has to exceed that.
    """
    error = float(gained.std()) * np.sqrt(len(gained))
    return bool(gained.sum() > extra + sure * error)


def _rounded(weights: Float64s) -> Float64s:
    return np.where(np.abs(weights) < 1e-6, 0.0, weights)


def told_apart(weights: Float64s, count: int) -> tuple[Float64s, Float64s, float]:
    """(K,) weights for warm items, (K,) for cold ones, and what is added to these."""
    if len(weights) == count:
        return weights, weights, 0.0
    return weights[:count], weights[count : 2 * count], float(weights[-1])


def without_the_unneeded(choices: Choices, weights: Float64s) -> Float64s:
    """Leave out, the lightest first, each weight that does not explain choices better.

    One rule for all weights, Akaike's: a weight stays if the targets' log-likelihood is higher by
    more than 1 with it. Asking for more certainty (two standard errors, about 8) leaves out what
    helps: a fusion of nine parts ranked 5% worse so (docs/evaluation.md). What is added to cold
    items is no weight of a part, and stays.
    """
    count = len(choices.logs)
    parts = np.arange(2 * count if len(weights) > count else count)

    here = choices.under(weights)
    surprise, curvature = here.surprise, here.curvature()

    def used() -> Bools:
        return np.asarray((weights != 0) | (np.arange(len(weights)) >= len(parts)))

    for index in parts[np.argsort(weights[parts])]:
        if not weights[index] or np.count_nonzero(weights[parts]) == 1:
            continue
        allowed = used()
        allowed[index] = False
        without = choices.refit(allowed, weights, curvature)
        surprise_without = choices.under(without).surprise
        fewer = int(np.count_nonzero(weights) - np.count_nonzero(without))
        if not is_worth(surprise_without - surprise, fewer):
            weights, surprise = without, surprise_without
    return choices.fit(used(), weights)
