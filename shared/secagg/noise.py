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

from shared.privacy.distributed import DistributedGaussian
from shared.secagg.masks import Ring
from shared.secagg.policy import SessionPolicy
from shared.secagg.suites import Keystream, Suite, keystream

SAMPLE_SLACK: Final = 2.0**-50
"""Bound on the statistical distance of one sample from the exact distribution.

Every acceptance test compares a 53-bit uniform with a float64 exponential; a sample takes fewer
than eight such tests on average.
"""
_BLOCK: Final = 1 << 14


def add_noise(vector: Ring, key: bytes, policy: SessionPolicy) -> None:
    """Add one partner's share of noise to its ring elements, in place; words wrap.

    Parameters
    ----------
    key
        32 secret bytes, fresh for every update; the same for every attempt at sending it.
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


def released_sum(
    policy: SessionPolicy, *, norm: float, sample_rate: float = 1.0
) -> DistributedGaussian:
    """What one opened sum costs a partner of this session.

    Parameters
    ----------
    norm
        L2 norm by which one protected user can move its partner's update (real units).
    sample_rate
        Probability with which each user enters the update.

    Raises
    ------
    InvalidMechanismError
        The policy has no `share_noise`.
    """
    honest = policy.survivor_floor - policy.colluders
    sigma = policy.share_noise / policy.step
    distance = norm / policy.step + math.sqrt(policy.length)
    tau = 10 * sum(math.exp(-2 * (math.pi * sigma) ** 2 * k / (k + 1)) for k in range(1, honest))
    return DistributedGaussian(
        noise_multiplier=math.sqrt(honest) * sigma / distance,
        alone_multiplier=sigma / distance,
        honest=honest,
        sample_rate=sample_rate,
        steps=1,
        mismatch=tau * policy.length,
        slack=policy.length * len(policy.partners) * SAMPLE_SLACK,
    )


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
