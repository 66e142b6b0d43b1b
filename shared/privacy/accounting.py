"""How much privacy a history of noisy steps costs.

Epsilon comes from privacy loss distributions (Koskela et al. 2020; Doroshenko et al. 2022),
composed numerically with pessimistic rounding, so that it is an upper bound. PRV (Gopi et al.
2021) is an independent cross-check. Gaussian-DP's central limit formula is not offered: it
understates (a target of 4.0 came out as 4.3 true).

Unit: one user at one platform; neighbours differ by adding or removing one user. One Poisson batch
is one step of one mechanism, however many networks it trains: two entries for one batch would be
composed as if the batches were independent, which understates epsilon up to 2.2 times.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from shared.privacy.distributed import DistributedGaussian, distributed_epsilon
from shared.privacy.errors import InvalidMechanismError, UnreachableBudgetError

_FINE = 1e-4
_COARSE = 1e-3
_MAX_NOISE = 1e5


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mechanism:
    """Steps of the Poisson-subsampled Gaussian mechanism with the same numbers.

    Attributes
    ----------
    noise_multiplier
        Standard deviation of the noise in units of the sensitivity; positive.
    sample_rate
        Probability in (0, 1] with which each user enters a batch.
    steps
        Number of batches; with banded noise, of batches in which one user's group has its turn.
    bands
        1: independent noise. b > 1: banded noise (`shared.privacy.banded`) in `bands` turns; what
        it costs is what `steps` independent steps at the rate within a group cost.
    """

    noise_multiplier: float
    sample_rate: float
    steps: int
    bands: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.noise_multiplier) and self.noise_multiplier > 0):
            raise InvalidMechanismError(f"noise multiplier {self.noise_multiplier}")
        if not 0 < self.sample_rate <= 1:
            raise InvalidMechanismError(f"sample rate {self.sample_rate} is not in (0, 1]")
        if self.steps < 1:
            raise InvalidMechanismError(f"{self.steps} steps")
        if self.bands < 1:
            raise InvalidMechanismError(f"{self.bands} bands")

    def scaled(self, factor: float) -> Mechanism:
        """The same steps with `factor` times the noise."""
        return replace(self, noise_multiplier=self.noise_multiplier * factor)


Cost = Mechanism | DistributedGaussian
"""What one release costs: noise of the platform's own, or shared noise of a sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """An (epsilon, delta) that must not be exceeded."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon > 0):
            raise InvalidMechanismError(f"epsilon {self.epsilon} is not positive")
        _check_delta(self.delta)


def default_delta(declared_users: int) -> float:
    """``declared_users ** -1.1``: below one user in all; from a public lower bound on the users."""
    if declared_users < 2:
        raise InvalidMechanismError(f"{declared_users} declared users give no useful delta")
    return float(declared_users**-1.1)


def merge(history: Iterable[Mechanism]) -> tuple[Mechanism, ...]:
    """Mechanisms of equal cost as one; composition of fixed mechanisms has no order."""
    steps: Counter[tuple[float, float]] = Counter()
    for mechanism in history:
        steps[mechanism.noise_multiplier, mechanism.sample_rate] += mechanism.steps
    return tuple(
        Mechanism(noise_multiplier=noise, sample_rate=rate, steps=count)
        for (noise, rate), count in sorted(steps.items())
    )


def epsilon(history: Iterable[Cost], delta: float) -> float:
    """Smallest epsilon, rounded up by the accountant, for which `history` is (epsilon, delta)-DP.

    A history with both kinds of noise gives half of delta to each and adds the epsilons; the result
    then trusts what `DistributedGaussian` trusts (see `trusting_nobody`).

    Parameters
    ----------
    history
        Everything released, in any order; nothing released costs 0.
    delta
        In (0, 1).
    """
    _check_delta(delta)
    costs = list(history)
    own = merge(cost for cost in costs if isinstance(cost, Mechanism))
    shared = [cost for cost in costs if isinstance(cost, DistributedGaussian)]
    if own and shared:
        return _epsilon(own, delta / 2, _FINE) + distributed_epsilon(shared, delta / 2)
    return distributed_epsilon(shared, delta) if shared else _epsilon(own, delta, _FINE)


def trusting_nobody(history: Iterable[Cost]) -> tuple[Cost, ...]:
    """`history` with the platform's own noise alone: what holds against everybody together."""
    return tuple(c.alone() if isinstance(c, DistributedGaussian) else c for c in history)


def epsilon_prv(history: Iterable[Mechanism], delta: float) -> float:
    """Opacus' PRV accountant on the merged history: the cross-check, within 0.01 of the truth."""
    _check_delta(delta)
    merged = merge(history)
    if not merged:
        return 0.0
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [(m.noise_multiplier, m.sample_rate, m.steps) for m in merged]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own search for a domain, not of the result
        return float(accountant.get_epsilon(delta))


def calibrate_noise(
    planned: Sequence[Mechanism], budget: Budget, *, spent: Sequence[Mechanism] = ()
) -> float:
    """Smallest factor on the planned noise multipliers that keeps the whole within `budget`.

    With one planned mechanism of noise multiplier 1 the factor is the noise multiplier itself; with
    several (rounds, models) their ratios are kept.

    Parameters
    ----------
    planned
        All steps of the run, of all models.
    budget
        Total for planned and spent together.
    spent
        Earlier releases on the same users.

    Returns
    -------
    float
        Rounded up to four decimals, so that rounds of one plan merge.

    Raises
    ------
    UnreachableBudgetError
        No factor is enough: `spent` alone exhausts the budget.
    """

    def cost(factor: float, interval: float) -> float:
        scaled = [mechanism.scaled(factor) for mechanism in planned]
        return _epsilon(merge([*spent, *scaled]), budget.delta, interval)

    low, high = 0.1, 0.2
    while cost(high, _COARSE) > budget.epsilon:
        low, high = high, 2 * high
        if high > _MAX_NOISE:
            raise UnreachableBudgetError(f"epsilon {budget.epsilon} at delta {budget.delta:.3g}")
    while high - low > 5e-4 * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if cost(middle, _COARSE) > budget.epsilon else (low, middle)
    factor = _round_up(high)
    while cost(factor, _FINE) > budget.epsilon:
        factor = _round_up(factor * 1.0005)
    return factor


def _round_up(factor: float) -> float:
    return math.ceil(factor * 1e4) / 1e4


@lru_cache(maxsize=256)
def _epsilon(merged: tuple[Mechanism, ...], delta: float, interval: float) -> float:
    if not merged:
        return 0.0
    total: Any = None
    for mechanism in merged:
        composed = _composed(mechanism, interval)
        total = composed if total is None else total.compose(composed)
    return float(total.get_epsilon_for_delta(delta))


def _composed(mechanism: Mechanism, interval: float) -> Any:
    if mechanism.sample_rate == 1:  # Gaussian steps without sampling add up exactly
        deviation = mechanism.noise_multiplier / math.sqrt(mechanism.steps)
        return _single_step(deviation, 1.0, interval)
    step = _single_step(mechanism.noise_multiplier, mechanism.sample_rate, interval)
    return step.self_compose(mechanism.steps)


@lru_cache(maxsize=64)
def _single_step(noise_multiplier: float, sample_rate: float, interval: float) -> Any:
    """Loss distribution of one step, an upper bound under adding or removing one user."""
    from dp_accounting import NeighboringRelation
    from dp_accounting.pld import privacy_loss_distribution as losses

    return losses.from_gaussian_mechanism(
        noise_multiplier,
        sampling_prob=sample_rate,
        value_discretization_interval=interval,
        pessimistic_estimate=True,
        neighboring_relation=NeighboringRelation.ADD_OR_REMOVE_ONE,
    )


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise InvalidMechanismError(f"delta {delta} is not in (0, 1)")
