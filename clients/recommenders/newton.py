"""Newton's method for a smooth convex loss of few variables, each within bounds.

Every step goes to where the quadratic model of the loss is least within the bounds, a bounded
least-squares problem (Stark & Parker, Computational Statistics 10, 1995), or part of the way where
the loss itself disagrees. A pass over the data is dear here and a step beside it costs nothing, so
few good steps beat many cheap ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from scipy import linalg, optimize

from clients.data.dataset import Float64s

TOLERANCE: Final = 1e-7
"""Relative gains that are not worth another step."""
MOST_STEPS: Final = 100
HALVINGS: Final = 20
FLAT: Final = 1e-6
"""Share of the steepest direction's curvature that every other has at least: between two variables
that do the same there is none, and rounding may make it negative."""


class Around(Protocol):
    """A loss around one point of n variables."""

    @property
    def value(self) -> float:
        """The loss there."""

    @property
    def slope(self) -> Float64s:
        """(n,) its gradient."""

    def curvature(self) -> Float64s:
        """(n, n) its second derivatives."""


Loss = Callable[[Float64s], Around]


@dataclass(frozen=True, slots=True)
class Bounds:
    """(n,) least and greatest values; where both are the same, the variable stands."""

    low: Float64s
    high: Float64s

    def clipped(self, point: Float64s) -> Float64s:
        """`point` moved to within the bounds."""
        return np.clip(point, self.low, self.high)


def minimise(
    loss: Loss,
    start: Float64s,
    bounds: Bounds,
    *,
    curvature: Float64s | None = None,
    steps: int = MOST_STEPS,
) -> Float64s:
    """(n,) where `loss` is least within `bounds`, or where `steps` steps from `start` led.

    Parameters
    ----------
    curvature
        (n, n) taken for the second derivatives everywhere, in place of each point's own.
    """
    point = bounds.clipped(start)
    here = loss(point)
    for _ in range(steps):
        bent = here.curvature() if curvature is None else curvature
        direction = _least(here.slope, bent, point, bounds) - point
        promised = float(here.slope @ direction)
        for halving in range(HALVINGS):
            share = 0.5**halving
            there = loss(point + share * direction)
            if there.value <= here.value + 1e-4 * share * promised:
                break
        else:
            return point  # what is left to gain is rounding
        gained = here.value - there.value
        point, here = point + share * direction, there
        if gained <= TOLERANCE * max(abs(here.value), 1.0):
            break
    return point


def _least(slope: Float64s, curvature: Float64s, point: Float64s, bounds: Bounds) -> Float64s:
    """Where the quadratic model around `point` is least."""
    free = bounds.low < bounds.high
    found = point.copy()
    if free.any():
        bent, axes = linalg.eigh(curvature[np.ix_(free, free)])
        bent = np.sqrt(np.maximum(bent, max(FLAT * bent[-1], np.finfo(np.float64).tiny)))
        root = bent[:, None] * axes.T
        wanted = root @ point[free] - (axes.T @ slope[free]) / bent
        limits = (bounds.low[free], bounds.high[free])
        found[free] = optimize.lsq_linear(root, wanted, limits, method="bvls").x
    return bounds.clipped(found)
