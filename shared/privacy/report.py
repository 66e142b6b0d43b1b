"""What a platform has spent, what is left, and what the numbers mean, in plain words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from shared.privacy.accounting import Budget, Cost, epsilon, trusting_nobody
from shared.privacy.distributed import DistributedGaussian
from shared.privacy.ledger import Ledger
from shared.privacy.spends import Spend, history_of

GUARANTEE = (
    "This platform guarantees (epsilon, delta)-differential privacy at user level, add or remove "
    "one of its users with all the data it holds on them, for the whole sequence of messages it "
    "ever sends, over all rounds and models, against anyone who sees all of them, assuming that "
    "the platform itself, its software, its randomness and its sampling are honest. A person on "
    "several platforms is covered by the composition of their guarantees. Not covered: inputs at "
    "inference time, the platform's own staff, figures published outside the ledger, "
    "floating-point side channels."
)

SHARED_GUARANTEE = (
    "Some rounds were protected by noise that the platforms add together. Epsilon above therefore "
    "trusts secure aggregation and that at least {honest} platforms in every sum added their "
    "part and keep it to themselves: it holds against the coordinator and the other platforms "
    "otherwise. Trusting nobody, with this platform's own part of the noise alone, "
    "epsilon is {alone:.3f}."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """One plan's share.

    Attributes
    ----------
    plan
        Its name.
    spent, left
        Epsilon at the plan's own delta.
    budget
        The plan's cap.
    rounds
        Reservations, of which `released` led to an update that left.
    """

    plan: str
    spent: float
    left: float
    budget: Budget
    rounds: int
    released: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyReport:
    """A ledger in numbers.

    Attributes
    ----------
    node
        Public name of the platform.
    spent, left
        Epsilon over everything, at the lifetime delta.
    lifetime
        The lifetime cap.
    plans
        Each plan's share; shares do not add up to `spent`, epsilon grows slower than that.
    history
        Every reservation, oldest first.
    head
        Hash of the ledger's last line.
    trusting_nobody
        Epsilon over everything with the platform's own noise alone: `spent` itself, except where
        platforms shared the noise.
    honest
        Platforms that `spent` trusts to have added their part of shared noise, 0 if it trusts none.
    """

    node: str
    spent: float
    left: float
    lifetime: Budget
    plans: tuple[PlanReport, ...]
    history: tuple[Spend, ...]
    head: str
    trusting_nobody: float
    honest: int

    @property
    def guarantee(self) -> str:
        """What `spent` means and whom it trusts."""
        if not self.honest:
            return GUARANTEE
        shared = SHARED_GUARANTEE.format(honest=self.honest, alone=self.trusting_nobody)
        return f"{GUARANTEE} {shared}"

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {**asdict(self), "guarantee": self.guarantee}

    def as_text(self) -> str:
        """For people."""
        lines = [
            f"Privacy of {self.node}",
            f"  spent  epsilon {self.spent:.3f} of {self.lifetime.epsilon:g} "
            f"(delta {self.lifetime.delta:.3g}), left {self.left:.3f}{self._trust()}",
            f"  {_meaning(self.spent, self.lifetime.delta)}",
            "",
            "Plans",
            *[_plan_line(plan) for plan in self.plans],
            "",
            "History",
            *[_spend_line(spend) for spend in self.history],
            "",
            self.guarantee,
        ]
        return "\n".join(lines)

    def _trust(self) -> str:
        if not self.honest:
            return "; trusts nobody else"
        return (
            f"; trusts secure aggregation and {self.honest} platforms a sum "
            f"(nobody: epsilon {self.trusting_nobody:.3f})"
        )


def privacy_report(ledger: Ledger) -> PrivacyReport:
    """Summarise `ledger`, with whom its figures trust."""
    spends = ledger.spends()
    history = history_of(spends)
    shared = [cost.honest for cost in history if isinstance(cost, DistributedGaussian)]
    spent = epsilon(history, ledger.lifetime.delta)
    names = dict.fromkeys(spend.release.plan for spend in spends)
    return PrivacyReport(
        node=ledger.node,
        spent=spent,
        left=max(0.0, ledger.lifetime.epsilon - spent),
        lifetime=ledger.lifetime,
        plans=tuple(_plan_report(name, spends) for name in names),
        history=spends,
        head=ledger.head,
        trusting_nobody=epsilon(trusting_nobody(history), ledger.lifetime.delta),
        honest=max(shared, default=0),
    )


def _plan_report(name: str, spends: tuple[Spend, ...]) -> PlanReport:
    own = [spend for spend in spends if spend.release.plan == name]
    budget = own[-1].plan_budget
    spent = epsilon(history_of(own), budget.delta)
    return PlanReport(
        plan=name,
        spent=spent,
        left=max(0.0, budget.epsilon - spent),
        budget=budget,
        rounds=len(own),
        released=sum(spend.update is not None for spend in own),
    )


def _meaning(spent: float, delta: float) -> str:
    """What epsilon lets an attacker conclude (Wood et al. 2018): a coin flip becomes p at most."""
    if spent == 0:
        return "Nothing that depends on any user has left this platform."
    certainty = 1 / (1 + math.exp(-spent))
    return (
        "Whoever was undecided (50%) whether a given person is among the users can be at most "
        f"{certainty:.1%} sure after seeing every message, except with probability "
        f"about {delta:.1g}."
    )


def _plan_line(plan: PlanReport) -> str:
    return (
        f"  {plan.plan}: epsilon {plan.spent:.3f} of {plan.budget.epsilon:g} "
        f"(delta {plan.budget.delta:.3g}), left {plan.left:.3f}; "
        f"{plan.rounds} rounds charged, {plan.released} released"
    )


def _mechanism_text(cost: Cost) -> str:
    numbers = f"{_noise(cost)} {cost.noise_multiplier:g}, rate {cost.sample_rate:g}"
    if isinstance(cost, DistributedGaussian) or cost.bands == 1:
        return f"{cost.steps} steps ({numbers})"
    return f"{cost.steps} steps in each of {cost.bands} groups of users (banded {numbers})"


def _spend_line(spend: Spend) -> str:
    steps = " + ".join(_mechanism_text(mechanism) for mechanism in spend.mechanisms)
    state = "released" if spend.update else "charged, never released"
    release = spend.release
    return f"  {spend.time}  {release.plan} round {release.round} {release.model}: {steps}; {state}"


def _noise(cost: Cost) -> str:
    return "shared noise" if isinstance(cost, DistributedGaussian) else "noise"
