"""What the attacks of a recipe do: its section `attack`."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shared.config import StrictModel

Positive = Annotated[int, Field(ge=1)]


class InversionTerms(StrictModel):
    """Recovering a batch's items from one update."""

    batches: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 4, 16, 64)
    """Users behind an update."""
    steps: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 8)
    """Local steps behind an update; the batch takes part in all of them."""
    trials: Annotated[int, Field(ge=2)] = 20
    """Updates attacked, for every batch size and number of steps."""
    shadow_trials: Annotated[int, Field(ge=1)] = 8
    """Updates of the partner who helps the attacker, on which the attack is fitted."""


class MembershipTerms(StrictModel):
    """Telling from what leaves a platform who was in its training."""

    users: Annotated[int, Field(ge=4)] = 64
    """Real users of whom a coin decides in every training whether they take part."""
    canaries: Annotated[int, Field(ge=4)] = 64
    """Crafted users, likewise."""
    trainings: Annotated[int, Field(ge=2)] = 16
    """Trainings, each with coins of its own."""
    rounds: Positive = 4
    """Rounds of a training."""
    steps: Positive = 4
    """Local steps of a round."""
    epsilons: Annotated[tuple[Annotated[float, Field(gt=0, le=100)], ...], Field(min_length=1)] = (
        1.0,
        8.0,
    )
    """Guarantees to be tested: a plan is trained under each of them."""
    delta: Annotated[float, Field(gt=0, lt=0.01)] = 1e-5
    """Delta of all of them."""


class PromotionTerms(StrictModel):
    """Pushing one item at the other partners."""

    items: Annotated[int, Field(ge=2)] = 4
    """Items promoted one after the other, drawn from the victims' catalogues in turn."""
    rounds: Positive = 2
    """Rounds, in all of which the attacker takes part."""
    users: Positive = 300
    """Users a victim, at most, whose lists are looked at."""


class AttackTerms(StrictModel):
    """All of them."""

    inversion: InversionTerms = InversionTerms()
    """Gradient inversion."""
    membership: MembershipTerms = MembershipTerms()
    """Membership inference."""
    promotion: PromotionTerms = PromotionTerms()
    """Item promotion."""


QUICK: Final = (
    "attack.inversion.batches=[1, 16]",
    "attack.inversion.steps=[1]",
    "attack.inversion.trials=8",
    "attack.inversion.shadow_trials=4",
    "attack.membership.trainings=4",
    "attack.membership.epsilons=[1.0]",
    "attack.promotion.items=2",
    "attack.promotion.rounds=1",
    "personalisation.max_steps=20",
)
"""Settings of `--quick`: the same questions with wide intervals."""
