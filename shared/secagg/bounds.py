"""What no set of honest partners can produce."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.secagg.errors import SumBoundError
from shared.secagg.fixed_point import signed
from shared.secagg.masks import Ring
from shared.secagg.policy import NOISE_TAIL, SessionPolicy

_BLOCK: Final = 1 << 16
_FLOAT32: Final = 1e-6
"""Relative error of a float32 that was scaled to a norm, and room."""


def largest_norm(policy: SessionPolicy, norm: float) -> float:
    """L2 norm below which an update of `norm` stays once it is rounded and has its share of noise.

    Returns
    -------
    float
        0, which checks nothing, for a norm of 0.
    """
    if norm == 0:
        return 0.0
    rounding = policy.step * math.sqrt(policy.length)
    noise = policy.share_noise * (math.sqrt(policy.length) + NOISE_TAIL)
    return norm * (1 + _FLOAT32) + rounding + noise


def scale_to_norm(update: NDArray[np.float32], norm: float) -> NDArray[np.float32]:
    """`update` scaled down to L2 norm `norm` where it is longer; 0 leaves it.

    A projection, so it moves two updates no further apart.
    """
    length = float(np.sqrt(np.dot(update, update.astype(np.float64))))
    if norm == 0 or length <= norm:
        return update
    return (update * (norm / length)).astype(np.float32)


def check_sum(ring_sum: Ring, words: Sequence[int], survivors: int, policy: SessionPolicy) -> None:
    """Refuse a sum out of bounds: coordinates, words, and the L2 norm where the policy has one.

    A poisoning partner inside the bounds is not seen here; groups and the nodes' own gate limit it.

    Raises
    ------
    SumBoundError
        Naming what is out of bounds.
    """
    for place, (word, limit) in enumerate(zip(words, policy.word_limits, strict=True)):
        if abs(word) > survivors * limit:
            raise SumBoundError(f"word {place} sums to {word}, at most {survivors * limit}")
    largest = _largest(ring_sum)
    noise = NOISE_TAIL * np.sqrt(survivors) * policy.share_noise / policy.step
    if largest > survivors * policy.limit + noise:
        raise SumBoundError(f"a coordinate sums to {largest} steps")
    norm = _norm(ring_sum) * policy.step if policy.norm_bound else 0.0
    if norm > survivors * policy.norm_bound:
        raise SumBoundError(f"norm {norm:.3g}, at most {survivors * policy.norm_bound:.3g}")


def _largest(ring_sum: Ring) -> int:
    """Largest absolute value."""
    lifted = signed(ring_sum)
    return max(int(lifted.max()), -int(lifted.min()))


def _norm(ring_sum: Ring) -> float:
    """L2 norm in steps, block by block."""
    lifted, squares = signed(ring_sum), 0.0
    scratch = np.empty(min(_BLOCK, lifted.size), np.float64)
    for start in range(0, lifted.size, _BLOCK):
        block = lifted[start : start + _BLOCK]
        values = scratch[: block.size]
        np.copyto(values, block)
        squares += float(np.dot(values, values))
    return math.sqrt(squares)
