"""Epsilon agrees with two independent accountants; calibration meets its budget tightly."""

from __future__ import annotations

import math

import dp_accounting as google
import pytest
from dp_accounting.pld import PLDAccountant

from shared.privacy.accounting import (
    Budget,
    Mechanism,
    calibrate_noise,
    default_delta,
    epsilon,
    epsilon_prv,
    merge,
)
from shared.privacy.errors import InvalidMechanismError, UnreachableBudgetError


def _steps(noise: float, rate: float, steps: int) -> Mechanism:
    return Mechanism(noise_multiplier=noise, sample_rate=rate, steps=steps)


HISTORIES = {
    "small shop": [_steps(2.0, 0.128, 200)],
    "large shop": [_steps(0.8, 0.02, 500)],
    "two models": [_steps(1.0, 0.01, 300), _steps(2.0, 0.02, 150)],
    "everybody": [_steps(10.0, 1.0, 50)],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_epsilon_agrees_with_opacus_prv_to_one_percent(history: list[Mechanism]) -> None:
    """PRV adds its own error bound of 0.01 to what it reports."""
    assert epsilon(history, 1e-5) == pytest.approx(epsilon_prv(history, 1e-5), rel=0.01, abs=0.011)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_epsilon_agrees_with_googles_accountant_to_one_percent(history: list[Mechanism]) -> None:
    accountant = PLDAccountant(google.NeighboringRelation.ADD_OR_REMOVE_ONE)
    for m in history:
        step = google.PoissonSampledDpEvent(
            m.sample_rate, google.GaussianDpEvent(m.noise_multiplier)
        )
        accountant.compose(google.SelfComposedDpEvent(step, m.steps))
    assert epsilon(history, 1e-5) == pytest.approx(accountant.get_epsilon(1e-5), rel=0.01)


def test_epsilon_is_above_the_exact_gaussian_curve() -> None:
    """Balle & Wang 2018, in closed form."""
    noise, spent = 2.0, epsilon([_steps(2.0, 1.0, 1)], 1e-5)

    def normal(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    a, b = 1 / (2 * noise), spent * noise
    delta = normal(a - b) - math.exp(spent) * normal(-a - b)
    assert 0.95e-5 < delta <= 1e-5


@pytest.mark.filterwarnings("ignore:GDP accounting")
def test_gdp_would_understate() -> None:
    """The central limit formula that we refuse to offer, on the report's own case."""
    from opacus.accountants import GaussianAccountant

    accountant = GaussianAccountant()
    accountant.history = [(1.095, 0.0256, 1000)]
    assert accountant.get_epsilon(1e-5) < epsilon([_steps(1.095, 0.0256, 1000)], 1e-5) - 0.2


def test_two_entries_for_one_batch_would_understate() -> None:
    """Both networks on one Poisson batch are one mechanism of the joint noise, not two draws."""
    joint = (1 + 1) ** -0.5
    correct = epsilon([_steps(joint, 0.01, 1000)], 1e-5)
    two_entries = epsilon([_steps(1.0, 0.01, 1000), _steps(1.0, 0.01, 1000)], 1e-5)
    assert two_entries < 0.6 * correct


def test_two_clipped_backward_passes_on_one_batch_would_understate() -> None:
    """The discriminator's real and generated content clipped one by one: a user weighs 2 C.

    Opacus with gradient accumulation allowed logs such steps as one of twice the rate.
    """
    logged = epsilon([_steps(1.0, 0.02, 1000)], 1e-5)
    correct = epsilon([_steps(0.5, 0.01, 1000)], 1e-5)
    assert logged < 0.4 * correct


def test_nothing_released_costs_nothing() -> None:
    assert epsilon([], 1e-5) == 0
    assert epsilon_prv([], 1e-5) == 0


def test_merging_adds_steps_of_equal_mechanisms() -> None:
    history = [_steps(1, 0.1, 2), _steps(2, 0.1, 1), _steps(1, 0.1, 3)]
    assert merge(history) == (_steps(1, 0.1, 5), _steps(2, 0.1, 1))
    assert epsilon(history, 1e-3) == epsilon(reversed(history), 1e-3)


@pytest.mark.parametrize("spent", [(), (_steps(3.0, 0.05, 100),)])
def test_calibration_meets_the_budget_tightly_over_rounds_and_models(
    spent: tuple[Mechanism, ...],
) -> None:
    planned = [_steps(1.0, 0.05, 200), _steps(1.5, 0.05, 60)]
    budget = Budget(epsilon=3.0, delta=1e-5)
    factor = calibrate_noise(planned, budget, spent=spent)
    cost = epsilon([*spent, *(m.scaled(factor) for m in planned)], budget.delta)
    assert 0.98 * budget.epsilon < cost <= budget.epsilon


def test_an_exhausted_budget_cannot_be_met_by_any_noise() -> None:
    with pytest.raises(UnreachableBudgetError):
        calibrate_noise(
            [_steps(1, 0.5, 10)], Budget(epsilon=0.5, delta=1e-5), spent=[_steps(0.5, 1.0, 5)]
        )


def test_delta_is_below_one_user_in_all() -> None:
    assert default_delta(20_000) < 1 / 20_000
    with pytest.raises(InvalidMechanismError):
        default_delta(1)


@pytest.mark.parametrize(
    ("noise", "rate", "steps"),
    [(0, 0.1, 1), (-1, 0.1, 1), (math.nan, 0.1, 1), (1, 0, 1), (1, 1.1, 1), (1, 0.1, 0)],
)
def test_impossible_mechanisms_are_refused(noise: float, rate: float, steps: int) -> None:
    with pytest.raises(InvalidMechanismError):
        _steps(noise, rate, steps)


@pytest.mark.parametrize(("spend", "delta"), [(0.0, 1e-5), (1.0, 0.0), (1.0, 1.0), (math.inf, 0.1)])
def test_impossible_budgets_are_refused(spend: float, delta: float) -> None:
    with pytest.raises(InvalidMechanismError):
        Budget(epsilon=spend, delta=delta)
