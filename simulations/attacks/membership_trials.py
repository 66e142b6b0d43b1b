"""Membership inference measured, and held against the claimed epsilon.

Each training throws a fair coin for every candidate. Guesses over all trainings are one audit in
the sense of Steinke, Nasr & Jagielski (2023): a coin changes one training by one user, so all
trainings together are as private towards each coin as one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch

from clients.charge import charge_of
from clients.data.dataset import Histories
from clients.node_data import TrainingData
from clients.training.batches import TrainingSet
from shared.contract import EVENT_TYPES
from shared.models.losses import draw_negatives
from shared.plan import LocalSteps, PrivacyTerms
from shared.privacy.accounting import Mechanism, epsilon
from shared.privacy.auditing import epsilon_lower_bound, guess
from simulations.attacks.errors import TooFewToAttackError
from simulations.attacks.membership import Suspicion
from simulations.attacks.observing import HonestParty, Watched, watch
from simulations.attacks.results import Group, MembershipRow, Setting, View, shown
from simulations.attacks.statistics import Bools, Floats, Trial, auc, pooled_interval
from simulations.attacks.statistics import true_positive_rate as rate
from simulations.attacks.terms import MembershipTerms
from simulations.attacks.world import Cohort, World

VICTIM: Final = 1
GUESSED: Final = (0.05, 0.25, 1.0)
"""Shares of the coins that are guessed; the best bound counts, at a third of the error each."""
FALSE_POSITIVES: Final = 0.01
_CANARY_EVENTS: Final = 2
_FULL_SOFTMAX: Final = 2048

NO_NOISE: Final[tuple[tuple[Setting, View], ...]] = (
    ("plain", "update"),
    ("secagg", "upload"),
    ("secagg", "opened"),
    ("secagg", "released"),
)
NOISE: Final[tuple[tuple[Setting, View], ...]] = (
    ("dp", "update"),
    ("both", "upload"),
    ("both", "opened"),
    ("both", "released"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One training as it is kept: the coins, and view → score of each candidate."""

    coins: Bools
    scores: Mapping[View, Floats]

    def as_values(self) -> dict[str, Any]:
        """For a file."""
        scores = {view: found.tolist() for view, found in self.scores.items()}
        return {"coins": self.coins.tolist(), "scores": scores}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Training:
        """Inverse of `as_values`."""
        scores = {view: np.array(found) for view, found in values["scores"].items()}
        return cls(coins=np.array(values["coins"], dtype=bool), scores=scores)


class MembershipTrials:
    """Trainings of one plan, with and without each candidate.

    Parameters
    ----------
    world
        The platforms.
    claim
        Epsilon of the plan; None trains without noise.

    Raises
    ------
    TooFewToAttackError
        A platform has too few users.
    """

    def __init__(self, world: World, claim: float | None) -> None:
        self._world, self.claim = world, claim
        self._terms = world.recipe.attack.membership
        self._histories, self._groups = candidates(world)
        privacy = None if claim is None else _privacy(world, claim)
        self._cohort = _cohort(world, privacy)
        self._others = _others(world)
        self._suspicion = _suspicion(world, self._histories)

    @property
    def cohort(self) -> Cohort:
        """The plan that is trained."""
        return self._cohort

    def run(self, number: int, after_round: Callable[[], None] = lambda: None) -> Training:
        """Training `number`, whose coins its number decides."""
        random = np.random.default_rng([self._world.seed, number])
        coins = random.random(len(self._groups)) < 0.5
        chosen = self._histories.take(np.flatnonzero(coins))
        data = {VICTIM: TrainingData.of(chosen, self._world.platforms[0].vectors.numpy())}
        parties = {
            partner: HonestParty(self._cohort.plan, partner, own)
            for partner, own in (data | self._others).items()
        }
        seen = watch(self._cohort, parties, after_round)
        return Training(coins=coins, scores=self._scores(seen))

    def rows(self, trainings: Sequence[Training]) -> list[MembershipRow]:
        """What all trainings together show."""
        views = NO_NOISE if self.claim is None else NOISE
        return [
            self._row(what, group, trainings) for what in views for group in ("users", "canaries")
        ]

    def _scores(self, seen: Watched) -> dict[View, Floats]:
        updates: dict[View, Floats] = {
            "update": self._suspicion.of_updates((r.model, r.updates[VICTIM]) for r in seen.rounds),
            "upload": self._suspicion.of_updates((r.model, r.uploads[VICTIM]) for r in seen.rounds),
            "opened": self._suspicion.of_updates((r.model, r.opened) for r in seen.rounds),
        }
        return updates | {"released": self._suspicion.of_release(seen.released)}

    def _row(
        self, what: tuple[Setting, View], group: Group, trainings: Sequence[Training]
    ) -> MembershipRow:
        inside = self._groups == group
        trials = [(_centred(t.scores[what[1]][inside]), t.coins[inside]) for t in trainings]
        delta, seed = self._terms.delta, self._world.seed
        coins = sum(len(scores) for scores, _ in trials)
        return MembershipRow(
            setting=what[0],
            view=what[1],
            group=group,
            claimed_epsilon=self.claimed(),
            delta=delta,
            coins=coins,
            auc=shown(pooled_interval(trials, auc, seed)),
            tpr=shown(
                pooled_interval(trials, partial(rate, false_positive_rate=FALSE_POSITIVES), seed)
            ),
            epsilon_bound=audited(trials, delta),
            largest_bound=largest_bound(coins, delta),
        )

    def claimed(self) -> float | None:
        """Epsilon of a whole training as the victim's ledger would say it."""
        plan = self._cohort.plan
        charge = charge_of(plan, plan.partners[VICTIM - 1])
        if charge is None:
            return None
        own = [m for m in charge.mechanisms if isinstance(m, Mechanism)]
        whole = [replace(m, steps=plan.rounds * m.steps) for m in own]
        return epsilon(whole, self._terms.delta)


def audited(trials: Sequence[Trial], delta: float) -> float:
    """Epsilon that the trials refute at 95%, by the best of several numbers of guesses."""
    scores = np.concatenate([scores for scores, _ in trials])
    coins = np.concatenate([coins for _, coins in trials])
    return _bound(len(coins), delta, lambda guesses: guess(scores, coins, guesses))


def largest_bound(coins: int, delta: float) -> float:
    """What `audited` would say of so many coins, had every guess been right."""
    return _bound(coins, delta, lambda guesses: guesses)


def _bound(coins: int, delta: float, right: Callable[[int], int]) -> float:
    confidence = 1 - 0.05 / len(GUESSED)
    guessed = [2 * int(share * coins / 2) for share in GUESSED]
    return max(
        epsilon_lower_bound(coins, guesses, right(guesses), delta, confidence=confidence)
        for guesses in guessed
    )


def candidates(world: World) -> tuple[Histories, np.ndarray[Any, np.dtype[np.str_]]]:
    """Real users of the first platform and crafted ones, and which is which (M,).

    Raises
    ------
    TooFewToAttackError
    """
    terms, platform = world.recipe.attack.membership, world.platforms[0]
    real = _sample(world, 0, terms.users)
    crafted = canaries(terms.canaries, len(platform.catalogue), world.seed)
    joined = Histories(
        users=real.users + crafted.users,
        offsets=np.concatenate([real.offsets, real.offsets[-1] + crafted.offsets[1:]]),
        items=np.concatenate([real.items, crafted.items]),
        events=np.concatenate([real.events, crafted.events]),
        times=np.concatenate([real.times, crafted.times]),
        ordinal=real.ordinal,
    )
    return joined, np.array(["users"] * len(real) + ["canaries"] * len(crafted))


def canaries(count: int, items: int, seed: int) -> Histories:
    """Users made to stand out: two random items one after the other, the rarest kind of event.

    Their loss is high, so their gradient fills the clipping norm, and goes where nobody else's
    does. The worst that we found within what a user's data can be, not proven to be the worst.
    """
    random = np.random.default_rng([seed, 1])
    total = count * _CANARY_EVENTS
    return Histories(
        users=tuple(f"canary {number}" for number in range(count)),
        offsets=np.arange(0, total + 1, _CANARY_EVENTS, dtype=np.int64),
        items=random.integers(0, items, total).astype(np.int32),
        events=np.full(total, len(EVENT_TYPES) - 1, dtype=np.int8),
        times=np.arange(total, dtype=np.float64),
        ordinal=True,
    )


def _sample(world: World, index: int, count: int) -> Histories:
    """`count` users of a platform with two training events or more."""
    training = world.platforms[index].split.training
    able = np.flatnonzero(training.lengths > 1)
    if len(able) < count:
        name = world.platforms[index].name
        raise TooFewToAttackError(f"{len(able)} users with two events at {name}, not {count}")
    rows = np.random.default_rng([world.seed, index]).choice(able, count, replace=False)
    return training.take(rows)


def _others(world: World) -> dict[int, TrainingData]:
    """What the other partners train on: as many real users as the victim, about."""
    terms = world.recipe.attack.membership
    count = (terms.users + terms.canaries) // 2
    return {
        index + 1: TrainingData.of(
            _sample(world, index, count), world.platforms[index].vectors.numpy()
        )
        for index in range(1, len(world.platforms))
    }


def _cohort(world: World, privacy: PrivacyTerms | None) -> Cohort:
    terms = world.recipe.attack.membership
    declared = _declared(terms)
    local = LocalSteps(
        steps=terms.steps,
        batch_users=max(1, declared // 2),
        learning_rate=world.recipe.federation.local.learning_rate,
    )
    return world.cohort(
        [declared] * len(world.platforms), rounds=terms.rounds, local=local, privacy=privacy
    )


def _declared(terms: MembershipTerms) -> int:
    """Declared users: as many as the coins let in, on average."""
    return (terms.users + terms.canaries) // 2


def _privacy(world: World, claim: float) -> PrivacyTerms:
    terms = world.recipe.attack.membership
    return PrivacyTerms(
        epsilon=claim,
        delta_exponent=-math.log(terms.delta) / math.log(_declared(terms)),
        clipping_norm=world.recipe.federation.privacy.clipping_norm,
    )


def _suspicion(world: World, histories: Histories) -> Suspicion:
    items, generator = world.items(0), torch.Generator().manual_seed(world.seed)
    return Suspicion(
        world.model,
        TrainingSet(histories, world.model.history_length),
        items,
        draw_negatives(_FULL_SOFTMAX, len(items), generator),
        world.first_weights,
        world.recipe.federation.privacy.clipping_norm,
    )


def _centred(scores: Floats) -> Floats:
    """Scores of one training, which differs from others in its level and spread."""
    spread = scores.std() + np.finfo(np.float64).tiny
    return np.asarray((scores - scores.mean()) / spread)
