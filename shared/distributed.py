"""A plan whose partners share the noise: how much each adds, and what a round then costs.

One noisy step a round. Each partner sums its users' clipped gradients, scales the sum by a public
factor that is the same for all, so that every user of every partner weighs the same, adds its share
of discrete Gaussian noise in the ring, and masks. Only the sum is private: the epsilon of such a
plan holds *against the coordinator and up to `colluders` partners, while secure aggregation holds
and the other partners add their share*; what a partner has without trusting them is
`DistributedGaussian.alone`. For platforms too small to add all the noise themselves.

The share follows from the plan alone, rounded up to three digits so that every machine gets the
same number; it is part of the session policy that all signatures are bound to.
"""

from __future__ import annotations

import math
from dataclasses import replace

from shared.plan import Partner, TrainingPlan
from shared.privacy.distributed import DistributedGaussian, distributed_epsilon
from shared.secagg.errors import NoiseUnreachableError, PolicyError
from shared.secagg.noise import released_sum
from shared.secagg.policy import NOISE_TAIL, SessionPolicy
from shared.statistics_session import statistics_costs

_MARGIN = 1e-6
"""Relative room under the plan's epsilon, for sums in another order."""


def gradient_scale(plan: TrainingPlan) -> float:
    """Divisor of every partner's gradient sum: its mean expected batch, a public number."""
    batches = [plan.local.sample_rate(p.declared_users) * p.declared_users for p in plan.partners]
    return sum(batches) / len(batches)


def sensitivity(plan: TrainingPlan) -> float:
    """L2 norm by which one user can move its partner's update."""
    clipping = plan.privacy.clipping_norm if plan.privacy else math.inf
    return plan.local.learning_rate * clipping / gradient_scale(plan)


def cost_of_round(
    plan: TrainingPlan, partner: Partner, policy: SessionPolicy
) -> DistributedGaussian:
    """What one round costs `partner` under the session policy of the plan."""
    rate = plan.local.sample_rate(partner.declared_users)
    return released_sum(policy, norm=sensitivity(plan), sample_rate=rate)


def with_shared_noise(plan: TrainingPlan, policy: SessionPolicy, ring_bits: int) -> SessionPolicy:
    """`policy`, of 32 bits without noise, with a share that keeps all partners in budget.

    Raises
    ------
    NoiseUnreachableError
        The ring has no room for that much noise, or delta is too small for the sampler.
    """
    each_size = {partner.declared_users: partner for partner in plan.partners}
    multiplier = max(_multiplier(plan, partner, policy) for partner in each_size.values())
    share = _share(multiplier, sensitivity(plan), policy, ring_bits)
    for _ in range(100):
        share = _round_up(share)
        try:
            noised = replace(policy, share_noise=share, ring_bits=ring_bits)
            _check_lattice(plan, noised)
        except PolicyError as error:
            raise NoiseUnreachableError(f"a share of {share:.3g}: {error}") from error
        if all(_epsilon(plan, partner, noised) <= _cap(plan) for partner in plan.partners):
            return noised
        share *= 1.002
    raise NoiseUnreachableError(f"a share of {share:.3g} is not enough for epsilon {_cap(plan):g}")


def _check_lattice(plan: TrainingPlan, policy: SessionPolicy) -> None:
    """Rounding to the ring may double the sensitivity at most; more would be noise for nothing."""
    rounding = policy.step * math.sqrt(policy.length)
    if rounding > sensitivity(plan):
        raise NoiseUnreachableError(
            f"rounding moves an update by {rounding:.3g}, one user by {sensitivity(plan):.3g}",
            remedy="raise local.learning_rate (and lower the server's), or use ring_bits = 32",
        )


def _cap(plan: TrainingPlan) -> float:
    return plan.privacy.epsilon if plan.privacy else 0.0


def _epsilon(plan: TrainingPlan, partner: Partner, policy: SessionPolicy) -> float:
    return _spent(plan, partner, cost_of_round(plan, partner, policy))


def _spent(plan: TrainingPlan, partner: Partner, step: DistributedGaussian) -> float:
    """Epsilon of all rounds, a little more than the accountant will find."""
    delta = plan.privacy.delta(partner.declared_users) if plan.privacy else 0.0
    releases = [c for c in statistics_costs(plan, partner) if isinstance(c, DistributedGaussian)]
    history = [replace(step, steps=plan.rounds), *releases]
    return distributed_epsilon(history, delta) * (1 + _MARGIN)


def _multiplier(plan: TrainingPlan, partner: Partner, policy: SessionPolicy) -> float:
    """Noise multiplier of the sum that `partner` needs."""
    unit = replace(policy, share_noise=policy.clip)  # so wide that there is no mismatch
    step = cost_of_round(plan, partner, unit)

    def cost(multiplier: float) -> float:
        return _spent(plan, partner, replace(step, noise_multiplier=multiplier))

    low, high = 0.05, 0.1
    while cost(high) > _cap(plan):
        low, high = high, 2 * high
        if high > 1e4:
            raise NoiseUnreachableError(
                f"partner {partner.name!r}: no noise gives epsilon {_cap(plan):g}"
            )
    while high > 1.0005 * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if cost(middle) > _cap(plan) else (low, middle)
    return high


def _share(multiplier: float, norm: float, policy: SessionPolicy, ring_bits: int) -> float:
    """The share with which honest partners reach `multiplier`; the ring's step grows with it.

    ``share * sqrt(h) = z (norm + step sqrt(d))`` and ``step = (N A + 12 sqrt(N) share) / 2^(k-1)``.
    """
    honest, count = policy.survivor_floor - policy.colluders, len(policy.partners)
    spread = multiplier * math.sqrt(policy.length) / (1 << (ring_bits - 1))
    room = math.sqrt(honest) - spread * NOISE_TAIL * math.sqrt(count)
    if room <= 0:
        raise NoiseUnreachableError(
            f"{policy.length} coordinates with a noise multiplier of {multiplier:.3g} do not fit "
            f"a ring of {ring_bits} bits"
        )
    return (multiplier * norm + spread * count * policy.clip) / room


def _round_up(value: float) -> float:
    """`value` to three digits, never less."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return float(f"{math.ceil(value / unit * (1 - 1e-12)) * unit:.3g}")
