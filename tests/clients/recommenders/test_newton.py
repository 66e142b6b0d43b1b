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
    """Mean of log(1 + exp(-m·x)) over rows m, with a little of |x|² so that a minimum exists."""

    def __init__(self, rows: Float64s) -> None:
        self.rows, self.passes = rows, 0

    def loss(self, point: Float64s) -> tuple[float, Float64s]:
        self.passes += 1
        margins = self.rows @ point
        missed = expit(-margins)
        slope = -(missed @ self.rows) / len(margins) + 0.02 * point
        return float(np.logaddexp(0, -margins).mean() + 0.01 * point @ point), slope

    def curvature(self, point: Float64s) -> Float64s:
        missed = expit(-(self.rows @ point))
        weight = missed * (1 - missed) / len(self.rows)
        return np.asarray((self.rows * weight[:, None]).T @ self.rows + 0.02 * np.eye(len(point)))


@given(seed=st.integers(0, 10_000), size=st.integers(1, 6), cut=st.booleans())
def test_no_other_method_finds_less(seed: int, size: int, cut: bool) -> None:
    random = np.random.default_rng(seed)
    problem = Logistic(random.normal(size=(40, size)) + random.normal(size=size))
    low = np.zeros(size) if cut else np.full(size, -np.inf)
    high = np.where(random.random(size) < 0.3, low.clip(min=-1.0), np.inf)
    low = np.minimum(low, high)
    found = minimise(problem.loss, problem.curvature, np.ones(size), Bounds(low, high))
    assert (found >= low).all()
    assert (found <= high).all()
    other = optimize.minimize(
        lambda x: problem.loss(x)[0],
        found,
        method="L-BFGS-B",
        bounds=optimize.Bounds(low, high),
        options={"ftol": 1e-15, "gtol": 1e-12},
    )
    assert problem.loss(found)[0] <= other.fun + 1e-6


def test_a_step_that_the_loss_contradicts_is_shortened() -> None:
    problem = Logistic(np.full((5, 1), 3.0))
    flat = minimise(problem.loss, lambda _: np.array([[1e-4]]), np.array([0.0]), _free(1))
    exact = minimise(problem.loss, problem.curvature, np.array([0.0]), _free(1))
    start = problem.loss(np.array([0.0]))[0]
    assert problem.loss(exact)[0] <= problem.loss(flat)[0] < start


def test_two_variables_that_do_the_same_share_the_work() -> None:
    rows = np.repeat(np.random.default_rng(0).normal(1.0, 1.0, (30, 1)), 2, axis=1)

    def loss(point: Float64s) -> tuple[float, Float64s]:
        missed = expit(-(rows @ point))
        return float(np.logaddexp(0, -(rows @ point)).mean()), -(missed @ rows) / len(rows)

    def curvature(point: Float64s) -> Float64s:
        missed = expit(-(rows @ point))
        return np.asarray((rows * (missed * (1 - missed))[:, None]).T @ rows / len(rows))

    found = minimise(loss, curvature, np.zeros(2), Bounds(np.zeros(2), np.full(2, 50.0)))
    assert np.isfinite(found).all()
    assert np.abs(loss(found)[1]).max() < 1e-3


def test_nothing_free_moves_nothing() -> None:
    problem = Logistic(np.ones((3, 2)))
    stands = np.array([0.5, 0.0])
    found = minimise(problem.loss, problem.curvature, np.ones(2), Bounds(stands, stands))
    np.testing.assert_array_equal(found, stands)


def test_few_passes_over_the_data_are_enough() -> None:
    random = np.random.default_rng(0)
    problem = Logistic(random.normal(size=(500, 6)) + 0.5)
    minimise(problem.loss, problem.curvature, np.ones(6), Bounds(np.zeros(6), np.full(6, np.inf)))
    assert problem.passes <= 12


def _free(size: int) -> Bounds:
    return Bounds(np.full(size, -np.inf), np.full(size, np.inf))
