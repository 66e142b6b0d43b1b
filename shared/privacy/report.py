"""What a platform has spent, what is left, and what the numbers mean, in plain words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from shared.privacy.accounting import Budget, epsilon
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
    """

    node: str
    spent: float
    left: float
    lifetime: Budget
    plans: tuple[PlanReport, ...]
    history: tuple[Spend, ...]
    head: str

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {**asdict(self), "guarantee": GUARANTEE}

    def as_text(self) -> str:
        """For people."""
        lines = [
            f"Privacy of {self.node}",
            f"  spent  epsilon {self.spent:.3f} of {self.lifetime.epsilon:g} "
            f"(delta {self.lifetime.delta:.3g}), left {self.left:.3f}",
            f"  {_meaning(self.spent, self.lifetime.delta)}",
            "",
            "Plans",
            *[_plan_line(plan) for plan in self.plans],
            "",
            "History",
            *[_spend_line(spend) for spend in self.history],
            "",
            GUARANTEE,
        ]
        return "\n".join(lines)


def privacy_report(ledger: Ledger) -> PrivacyReport:
    """Summarise `ledger`; trusts nobody else's noise and no secure aggregation."""
    spends = ledger.spends()
    spent = epsilon(history_of(spends), ledger.lifetime.delta)
    names = dict.fromkeys(spend.release.plan for spend in spends)
    return PrivacyReport(
        node=ledger.node,
        spent=spent,
        left=max(0.0, ledger.lifetime.epsilon - spent),
        lifetime=ledger.lifetime,
        plans=tuple(_plan_report(name, spends) for name in names),
        history=spends,
        head=ledger.head,
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


def _spend_line(spend: Spend) -> str:
    steps = " + ".join(
        f"{m.steps} steps (noise {m.noise_multiplier:g}, rate {m.sample_rate:g})"
        for m in spend.mechanisms
    )
    state = "released" if spend.update else "charged, never released"
    release = spend.release
    return f"  {spend.time}  {release.plan} round {release.round} {release.model}: {steps}; {state}"
