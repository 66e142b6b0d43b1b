"""What noise costs that several platforms add together, seen only as a sum.

Each platform adds a share of discrete Gaussian noise before masking; the sum carries that of all
honest platforms in it (Kairouz, Liu and Steinke, "The distributed discrete Gaussian mechanism",
ICML 2021). Steps may be Poisson-sampled.

Formal guarantee
----------------
Unit and neighbours as everywhere: one user at one platform, added or removed. Against whoever sees
the opened sums, *while secure aggregation holds and at least `honest` platforms of every sum added
their share*: a claim that trusts others, and is never mixed up with one that does not.

Accounted in Rényi divergence of integer orders. A discrete Gaussian shifted by integers of L2 norm
D has the moments of the continuous one at most (Canonne, Kamath and Steinke, NeurIPS 2020,
Proposition 5), so the binomial expansion of the sampled mechanism (Mironov, Talwar and Zhang, 2019,
Section 3.3) bounds it term by term; the reflection ``x -> D - x`` maps the lattice to itself and
swaps both neighbours, so removing costs no more than adding (their Theorem 5). A sum of discrete
Gaussians is within `mismatch` of one discrete Gaussian in max divergence (Kairouz et al., Theorem
1), and the sampler within `slack` of exact in total variation. Conversion to epsilon: Proposition
12 of Canonne et al.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.privacy.errors import InvalidMechanismError

_ORDERS: Final = (*range(2, 65), *range(68, 129, 4), *range(144, 513, 16))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DistributedGaussian:
    """Steps with distributed noise and the same numbers.

    Attributes
    ----------
    noise_multiplier
        Standard deviation of all honest shares together, in units of the sensitivity of the sum,
        quantisation included.
    alone_multiplier
        Of this platform's own share, in the same units.
    honest
        Fewest platforms in a sum that added their share and keep it to themselves.
    sample_rate
        Probability in (0, 1] with which each user enters a batch.
    steps
        Number of sums.
    mismatch
        Max divergence between the sum of the shares and one discrete Gaussian, of one step.
    slack
        Total variation distance between the shares as sampled and as they should be, of one step.
    """

    noise_multiplier: float
    alone_multiplier: float
    honest: int
    sample_rate: float
    steps: int
    mismatch: float
    slack: float

    def __post_init__(self) -> None:
        deviations = self.noise_multiplier, self.alone_multiplier
        if not all(math.isfinite(value) and value > 0 for value in deviations):
            raise InvalidMechanismError(f"noise multipliers {deviations}")
        if not 0 < self.sample_rate <= 1:
            raise InvalidMechanismError(f"sample rate {self.sample_rate} is not in (0, 1]")
        if self.steps < 1 or self.honest < 1:
            raise InvalidMechanismError(f"{self.steps} steps, {self.honest} honest platforms")
        if not (0 <= self.mismatch < math.inf and 0 <= self.slack < 1):
            raise InvalidMechanismError(f"mismatch {self.mismatch}, slack {self.slack}")

    def alone(self) -> DistributedGaussian:
        """The same steps with this platform's own share only: what holds if nobody is trusted."""
        return replace(self, noise_multiplier=self.alone_multiplier, honest=1, mismatch=0.0)


def distributed_epsilon(history: Sequence[DistributedGaussian], delta: float) -> float:
    """Smallest epsilon found for which `history` is (epsilon, delta)-DP; nothing released costs 0.

    Returns
    -------
    float
        Infinite where `delta` is too small for the sampler's precision.
    """
    if not history:
        return 0.0
    slack = sum(m.steps * m.slack for m in history)
    share = delta if slack == 0 else delta / 2
    divergences = np.zeros(len(_ORDERS))
    for mechanism in history:
        divergences += mechanism.steps * _divergences(replace(mechanism, steps=1))
    epsilon = _converted(divergences, share)
    paid = share + (1 + math.exp(min(epsilon, 700.0))) * slack
    return epsilon if paid <= delta else math.inf


@lru_cache(maxsize=64)
def _divergences(step: DistributedGaussian) -> NDArray[np.float64]:
    """Rényi divergence of one step at each of the orders."""
    values = [_log_moment(step, order) / (order - 1) for order in _ORDERS]
    weights = [(2 * order - 1) / (order - 1) for order in _ORDERS]
    divergences: NDArray[np.float64] = np.array(values) + step.mismatch * np.array(weights)
    return divergences


def _log_moment(step: DistributedGaussian, order: int) -> float:
    """Log of the moment of order `order` of the ratio of mixture and base."""
    precision = 1 / (2 * step.noise_multiplier**2)
    if step.sample_rate == 1:
        return order * (order - 1) * precision
    k = np.arange(order + 1)
    log_rate, log_rest = math.log(step.sample_rate), math.log1p(-step.sample_rate)
    terms = _log_binomials(order) + k * log_rate + (order - k) * log_rest + k * (k - 1) * precision
    return float(np.logaddexp.reduce(terms))


@lru_cache(maxsize=128)
def _log_binomials(order: int) -> NDArray[np.float64]:
    whole = math.lgamma(order + 1)
    parts = [math.lgamma(k + 1) + math.lgamma(order - k + 1) for k in range(order + 1)]
    return whole - np.array(parts)


def _converted(divergences: NDArray[Any], delta: float) -> float:
    orders = np.array(_ORDERS)
    tail = (math.log(delta) + np.log(orders)) / (orders - 1)
    values = divergences + np.log1p(-1 / orders) - tail
    return max(float(values.min()), 0.0)
