"""Which kind of federation a plan is from a node's point of view, and what was measured of such.

A node sees public numbers of the plan, its own data and, where statistics were agreed on, how many
of its articles other partners carry. From these alone it can tell which of the lab's scenarios it
resembles, so that its operator knows which of the published figures to expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from clients.data.dataset import Histories
from shared.plan import Partner, TrainingPlan

Scenario = Literal[
    "new-shop", "giant-and-small", "same-vertical", "cross-vertical", "one of a kind"
]

GIANT: Final = 4.0
"""Times the declared users of the next largest partner from which on one is a giant."""
NEW_EVENTS: Final = 4.0
"""Mean events of a user up to which a platform has just begun."""
NEW_USERS: Final = 500
"""Users up to which a platform has just begun."""
SAME_TRADE: Final = 0.1
"""Share of a catalogue that must be in common with others for a trade to be the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnData:
    """What a node knows of itself.

    Attributes
    ----------
    users
        Users it trains on.
    events_per_user
        Mean number of their events.
    shared_articles
        Share of its catalogue that enough partners carry; None where that was never compared.
    """

    users: int
    events_per_user: float
    shared_articles: float | None

    @classmethod
    def of(cls, training: Histories, shared_articles: float | None) -> OwnData:
        """From what a node trains on."""
        mean = float(training.lengths.mean()) if len(training) else 0.0
        return cls(users=len(training), events_per_user=mean, shared_articles=shared_articles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Which scenario it looks like, and why.

    Attributes
    ----------
    scenario
        Name of the recipe that asks the same question.
    reason
        One sentence with the numbers that decided.
    """

    scenario: Scenario
    reason: str

    def sentence(self) -> str:
        """For reports."""
        return f"this federation looks like the scenario {self.scenario!r}: {self.reason}"


def situation(plan: TrainingPlan, partner: Partner, own: OwnData) -> Situation:
    """What `plan` looks like to `partner`; the first scenario that fits, the rarest first."""
    if own.users <= NEW_USERS and own.events_per_user <= NEW_EVENTS:
        few = f"{own.users} users with {own.events_per_user:.1f} events each"
        return Situation(scenario="new-shop", reason=f"this platform has {few} so far")
    if own.shared_articles is None:
        reason = "articles were not compared, so whether partners are of one trade is not known"
        return Situation(scenario="one of a kind", reason=reason)
    common = f"partners carry {own.shared_articles:.0%} of this catalogue"
    if own.shared_articles < SAME_TRADE:
        return Situation(scenario="cross-vertical", reason=f"{common} only")
    giant = _giant(plan)
    if giant is not None:
        size = f"{giant.name!r} declares {giant.declared_users:,} users"
        who = "this platform" if giant == partner else "a partner"
        return Situation(scenario="giant-and-small", reason=f"{who} is a giant ({size}); {common}")
    return Situation(scenario="same-vertical", reason=f"no partner is a giant; {common}")


def _giant(plan: TrainingPlan) -> Partner | None:
    """The partner beside whom all others are small."""
    first, second = sorted(plan.partners, key=lambda p: -p.declared_users)[:2]
    return first if first.declared_users >= GIANT * second.declared_users else None
