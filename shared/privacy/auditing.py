"""An empirical lower bound on epsilon from one training run, which a broken mechanism fails.

Steinke, Nasr & Jagielski 2023, "Privacy Auditing with One (1) Training Run": m canaries are
included by independent fair coins; an attacker who sees only what was released guesses r of the
coins. Under (epsilon, delta)-DP the number of right guesses is stochastically dominated by
``Binomial(r, e^eps / (1 + e^eps))`` up to a term in delta (their Theorem 5.2), so many right
guesses refute the claim.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shared.privacy.errors import InvalidMechanismError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def refutation_p_value(
    canaries: int, guesses: int, right: int, epsilon: float, delta: float
) -> float:
    """Probability of at least `right` of `guesses` under (epsilon, delta)-DP, at most.

    Parameters
    ----------
    canaries
        m, of which each was included by a fair coin.
    guesses, right
        Coins guessed, and guessed rightly.
    """
    if not 0 <= right <= guesses <= canaries:
        raise InvalidMechanismError(f"{right} of {guesses} guesses on {canaries} canaries")
    chance = 1 / (1 + math.exp(-epsilon))
    tail = float(stats.binom.sf(right - 1, guesses, chance))
    lower = np.arange(right - 1, -1, -1)  # right - i for i = 1, 2, ...
    cumulative = np.cumsum(stats.binom.pmf(lower, guesses, chance))
    slope = float(np.max(cumulative / np.arange(1, right + 1), initial=0.0))
    return min(1.0, tail + 2 * canaries * delta * slope)


def epsilon_lower_bound(
    canaries: int, guesses: int, right: int, delta: float, *, confidence: float = 0.95
) -> float:
    """Largest epsilon that the guesses refute at `confidence`; 0 when none."""
    if refutation_p_value(canaries, guesses, right, 0.0, delta) > 1 - confidence:
        return 0.0
    low, high = 0.0, 50.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        refuted = refutation_p_value(canaries, guesses, right, middle, delta) <= 1 - confidence
        low, high = (middle, high) if refuted else (low, middle)
    return low


def guess(scores: Floats, included: Bools, guesses: int) -> int:
    """Right guesses when the `guesses` most extreme scores are guessed, half in and half out.

    Parameters
    ----------
    scores
        (m,) how much each canary seems to have been included.
    included
        (m,) whether it was.
    """
    order = np.argsort(scores)
    half = guesses // 2
    guessed_out, guessed_in = order[:half], order[len(order) - half :]
    return int((~included[guessed_out]).sum() + included[guessed_in].sum())
