"""A convex loss within bounds is minimised in a few steps, whatever the bounds cut off."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy.special import expit

from clients.data.dataset import Float64s
from clients.recommenders.newton import Bounds, minimise


class Logistic:
    """Mean of log(1 + exp(-m·x)) over rows m, with `ridge` |x|² so that a minimum exists."""

    def __init__(self, rows: Float64s, *, ridge: float = 0.01) -> None:
        self.rows, self.ridge, self.passes = rows, ridge, 0

    def around(self, point: Float64s) -> LogisticAround:
        self.passes += 1
        return LogisticAround(self, point)

    def loss(self, point: Float64s) -> float:
        return LogisticAround(self, point).value


class LogisticAround:
    def __init__(self, problem: Logistic, point: Float64s) -> None:
        self._rows, self._ridge, self._point = problem.rows, problem.ridge, point
        self._margins = problem.rows @ point

    @property
    def value(self) -> float:
        penalty = self._ridge * self._point @ self._point
        return float(np.logaddexp(0, -self._margins).mean() + penalty)

    @property
    def slope(self) -> Float64s:
        missed = expit(-self._margins)
        pull = 2 * self._ridge * self._point
        return np.asarray(-(missed @ self._rows) / len(self._margins) + pull)

    def curvature(self) -> Float64s:
        missed = expit(-self._margins)
        weight = missed * (1 - missed) / len(self._rows)
        bent = (self._rows * weight[:, None]).T @ self._rows
        return np.asarray(bent + 2 * self._ridge * np.eye(len(self._point)))


@given(seed=st.integers(0, 10_000), size=st.integers(1, 6), cut=st.booleans())
def test_no_other_method_finds_less(seed: int, size: int, cut: bool) -> None:
    random = np.random.default_rng(seed)
    problem = Logistic(random.normal(size=(40, size)) + random.normal(size=size))
    low = np.zeros(size) if cut else np.full(size, -np.inf)
    high = np.where(random.random(size) < 0.3, low.clip(min=-1.0), np.inf)
    low = np.minimum(low, high)
    found = minimise(problem.around, np.ones(size), Bounds(low, high))
    assert (found >= low).all()
    assert (found <= high).all()
    other = optimize.minimize(
        problem.loss,
        found,
        method="L-BFGS-B",
        bounds=optimize.Bounds(low, high),
        options={"ftol": 1e-15, "gtol": 1e-12},
    )
    assert problem.loss(found) <= other.fun + 1e-6


def test_a_step_that_the_loss_contradicts_is_shortened() -> None:
    problem = Logistic(np.full((5, 1), 3.0))
    flat = minimise(problem.around, np.array([0.0]), _free(1), curvature=np.array([[1e-4]]))
    exact = minimise(problem.around, np.array([0.0]), _free(1))
    start = problem.loss(np.array([0.0]))
    assert problem.loss(exact) <= problem.loss(flat) < start


def test_two_variables_that_do_the_same_share_the_work() -> None:
    rows = np.repeat(np.random.default_rng(0).normal(1.0, 1.0, (30, 1)), 2, axis=1)

    problem = Logistic(rows, ridge=0.0)
    found = minimise(problem.around, np.zeros(2), Bounds(np.zeros(2), np.full(2, 50.0)))
    assert np.isfinite(found).all()
    assert np.abs(problem.around(found).slope).max() < 1e-3


def test_nothing_free_moves_nothing() -> None:
    problem = Logistic(np.ones((3, 2)))
    stands = np.array([0.5, 0.0])
    found = minimise(problem.around, np.ones(2), Bounds(stands, stands))
    np.testing.assert_array_equal(found, stands)


def test_few_passes_over_the_data_are_enough() -> None:
    random = np.random.default_rng(0)
    problem = Logistic(random.normal(size=(500, 6)) + 0.5)
    minimise(problem.around, np.ones(6), Bounds(np.zeros(6), np.full(6, np.inf)))
    assert problem.passes <= 12


def _free(size: int) -> Bounds:
    return Bounds(np.full(size, -np.inf), np.full(size, np.inf))
