"""Distributed noise: each partner adds a share of discrete Gaussian noise, accounted as their sum.

Kairouz, Liu and Steinke, "The distributed discrete Gaussian mechanism" (ICML 2021), Theorem 1. The
guarantee is against whoever sees only the *sum*, and holds only while secure aggregation does: it
trusts that of any accepted survivors all but c have added their share. It covers the vector, not
the words beside it, which must be free of data or noised by the partner. Off unless the policy sets
`share_noise`.

Neighbouring: the integer vectors of one partner differ by at most a given L2 norm; a partner's
update quantised to steps of A / B moves by at most ``norm / step + sqrt(d)``, since rounding moves
each coordinate by less than one step.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.secagg.masks import Ring
from shared.secagg.policy import SessionPolicy
from shared.secagg.suites import Keystream, Suite, keystream

SAMPLE_SLACK: Final = 2.0**-50
"""Bound on the statistical distance of one sample from the exact distribution.

Every acceptance test compares a 53-bit uniform with a float64 exponential; a sample takes fewer
than eight such tests on average.
"""
_BLOCK: Final = 1 << 14
_ORDERS: Final = np.concatenate([np.arange(1.01, 20, 0.01), np.arange(20.0, 2000.0)])


def add_noise(vector: Ring, key: bytes, policy: SessionPolicy) -> None:
    """Add one partner's share of noise to its ring elements, in place; words wrap.

    Parameters
    ----------
    key
        32 secret bytes, fresh for every cohort.
    """
    stream = keystream(Suite(policy.suite), key)
    sigma = policy.share_noise / policy.step
    for start in range(0, vector.size, _BLOCK):
        block = vector[start : start + _BLOCK]
        block += discrete_gaussian(stream, block.size, sigma).astype(vector.dtype)


def discrete_gaussian(stream: Keystream, size: int, sigma: float) -> NDArray[np.int64]:
    """(size,) samples of the discrete Gaussian on the integers.

    Algorithm 3 of Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy"
    (NeurIPS 2020), on whole arrays: discrete Laplace candidates, accepted by a Gaussian ratio.
    """
    parts: list[NDArray[np.int64]] = []
    missing = size
    while missing > 0:
        accepted = _candidates(stream, 3 * missing + 16, sigma)[:missing]
        parts.append(accepted)
        missing -= accepted.size
    return np.concatenate(parts)


def zero_concentrated(policy: SessionPolicy, norm: float) -> float:
    """ρ of zero-concentrated DP of one opened sum, against whoever sees the sum.

    Parameters
    ----------
    norm
        L2 norm by which one protected user can move its partner's update (real units).
    """
    honest = policy.survivor_floor - policy.colluders
    sigma = policy.share_noise / policy.step
    distance = norm / policy.step + math.sqrt(policy.length)
    tau = 10 * sum(math.exp(-2 * (math.pi * sigma) ** 2 * k / (k + 1)) for k in range(1, honest))
    exact = distance / (math.sqrt(honest) * sigma)
    epsilon = min(
        math.sqrt(exact**2 + tau * policy.length / 2), exact + tau * math.sqrt(policy.length)
    )
    return epsilon**2 / 2


def central_epsilon(policy: SessionPolicy, *, norm: float, sums: int, delta: float) -> float:
    """ε at `delta` of `sums` opened sums, against a coordinator while secure aggregation holds.

    ρ adds up over sums and is converted by Proposition 12 of Canonne, Kamath and Steinke (2020).
    What the sampler's precision costs is taken from δ.

    Returns
    -------
    float
        Infinite without noise or where δ is too small for the sampler.
    """
    if policy.share_noise <= 0:
        return math.inf
    rho = sums * zero_concentrated(policy, norm)
    slack = sums * policy.length * len(policy.partners) * SAMPLE_SLACK
    epsilon = _converted(rho, delta / 2)
    return epsilon if (1 + math.exp(min(epsilon, 700.0))) * slack <= delta / 2 else math.inf


def _converted(rho: float, delta: float) -> float:
    orders = _ORDERS
    tail = (math.log(delta) + np.log(orders)) / (orders - 1)
    values = rho * orders + np.log1p(-1 / orders) - tail
    return max(float(values.min()), 0.0)


def _candidates(stream: Keystream, count: int, sigma: float) -> NDArray[np.int64]:
    """Accepted candidates out of `count`."""
    scale = math.floor(sigma) + 1
    remainder = _below(stream, count, scale)
    remainder = remainder[_uniform(stream, remainder.size) < np.exp(-remainder / scale)]
    whole = np.floor(-np.log(_uniform(stream, remainder.size))).astype(np.int64)
    size = remainder + scale * whole
    negative = (_words(stream, size.size) & np.uint64(1)).astype(bool)
    keep = ~(negative & (size == 0))
    value = np.where(negative, -size, size)[keep]
    ratio = np.exp(-((np.abs(value) - sigma**2 / scale) ** 2) / (2 * sigma**2))
    accepted: NDArray[np.int64] = value[_uniform(stream, value.size) < ratio]
    return accepted


def _below(stream: Keystream, count: int, limit: int) -> NDArray[np.int64]:
    """Up to `count` uniform integers below `limit`, exactly uniform (the rest is rejected)."""
    words = _words(stream, count)
    largest = (1 << 64) - (1 << 64) % limit - 1
    kept = words[words <= np.uint64(largest)]
    return (kept % np.uint64(limit)).astype(np.int64)


def _uniform(stream: Keystream, count: int) -> NDArray[np.float64]:
    """(count,) multiples of 2^-53 in (0, 1]."""
    return ((_words(stream, count) >> np.uint64(11)).astype(np.float64) + 1) * 2.0**-53


def _words(stream: Keystream, count: int) -> NDArray[np.uint64]:
    return np.frombuffer(stream.update(bytes(8 * count)), "<u8")
