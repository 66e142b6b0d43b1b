"""Gradient inversion measured: batches of real users, trained by the node's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clients.charge import charge_of
from clients.data.dataset import Histories
from clients.training.batches import TrainingSet
from clients.training.local import Protection, StepTerms, Trainer
from shared.models.behaviour import BehaviourLSTM
from shared.models.parameters import Float32s
from shared.plan import Partner
from simulations.attacks.errors import TooFewToAttackError
from simulations.attacks.inversion import Inversion, evidence
from simulations.attacks.observing import SeenRound, observe
from simulations.attacks.results import InversionRow, Setting, View, shown
from simulations.attacks.statistics import Bools, Floats, auc, mean_interval, recall
from simulations.attacks.terms import InversionTerms
from simulations.attacks.world import Cohort, World
from simulations.federated import declared_users

VICTIM, HELPER = 1, 2
"""The partner attacked, and the one who gives the attacker updates to learn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One size of batch under one protection."""

    batch_users: int
    steps: int
    private: bool

    @property
    def name(self) -> str:
        """For files and people."""
        noise = "dp" if self.private else "plain"
        return f"{noise}.{self.batch_users}.{self.steps}"

    @property
    def views(self) -> tuple[tuple[Setting, View], ...]:
        """Who sees what of it."""
        if self.private:
            return ("dp", "update"), ("both", "upload"), ("both", "opened")
        return ("plain", "update"), ("secagg", "upload"), ("secagg", "opened")


def cases(terms: InversionTerms) -> list[Case]:
    """All of them, small ones first."""
    return [
        Case(batch_users=users, steps=steps, private=private)
        for users in terms.batches
        for steps in terms.steps
        for private in (False, True)
    ]


def measure_inversion(world: World, case: Case) -> list[InversionRow]:
    """Attack `trials` updates of the victim, fitted on `shadow_trials` of the helper.

    Raises
    ------
    TooFewToAttackError
        A platform has fewer users than the batch.
    """
    terms = world.recipe.attack.inversion
    trials = _Trials(world, case)
    known = [trials.draw(HELPER) for _ in range(terms.shadow_trials)]
    attacked = [trials.draw(VICTIM) for _ in range(terms.trials)]
    return [
        _row(world, case, (setting, view), [k[view] for k in known], [a[view] for a in attacked])
        for setting, view in case.views
    ]


Evidence = tuple[Floats, Bools]
"""Evidence (N, F) of every item, and which of them are behind the update."""


class _Trials:
    """Draws batches at all partners and looks at what one of them sends."""

    def __init__(self, world: World, case: Case) -> None:
        self._world, self._case = world, case
        self._random = np.random.default_rng([world.seed, case.batch_users, case.steps])
        self._cohort = _cohort(world, private=case.private)
        self._able = [np.flatnonzero(p.split.training.lengths > 1) for p in world.platforms]
        least = min(len(rows) for rows in self._able)
        if least < case.batch_users:
            raise TooFewToAttackError(f"{least} users for batches of {case.batch_users}")

    def draw(self, target: int) -> dict[View, Evidence]:
        """View → evidence about partner `target`."""
        batches = {p.id: self._batch(p.id) for p in self._cohort.plan.partners}
        updates = {p.id: self._update(p, batches[p.id]) for p in self._cohort.plan.partners}
        seen = observe(self._cohort, 1, self._world.first_weights, updates)
        platform = self._world.platforms[target - 1]
        members = np.zeros(len(platform.catalogue), dtype=bool)
        recent = batches[target].last(self._world.model.history_length + 1)
        members[recent.items] = True
        vectors = platform.vectors.numpy()
        return {
            view: (evidence(self._world.model, vector, vectors), members)
            for view, vector in _seen_of(seen, target).items()
        }

    def _batch(self, number: int) -> Histories:
        able = self._able[number - 1]
        rows = self._random.choice(able, self._case.batch_users, replace=False)
        return self._world.platforms[number - 1].split.training.take(rows)

    def _update(self, partner: Partner, batch: Histories) -> Float32s:
        """The update after local steps in all of which the whole batch takes part."""
        plan, world = self._cohort.plan, self._world
        charge = charge_of(plan, partner)
        protection = None
        if plan.privacy is not None and charge is not None:
            protection = Protection(
                clipping_norm=plan.privacy.clipping_norm,
                noise_multiplier=charge.mechanisms[0].noise_multiplier,
            )
        trainer = Trainer(
            BehaviourLSTM(world.model),
            TrainingSet(batch, world.model.history_length),
            world.items(partner.id - 1),
            StepTerms(
                learning_rate=plan.local.learning_rate,
                sample_rate=1.0,
                expected_batch_size=len(batch),
            ),
            protection,
        )
        return trainer.run(world.first_weights, self._case.steps)


def _cohort(world: World, *, private: bool) -> Cohort:
    """The recipe's plan, its noise every partner's own."""
    terms = world.recipe.federation
    own = terms.privacy.model_copy(update={"noise": "local", "bands": 1})
    return world.cohort(
        [declared_users(len(p.split.training)) for p in world.platforms],
        rounds=terms.rounds,
        local=terms.local,
        privacy=own if private else None,
    )


def _seen_of(seen: SeenRound, target: int) -> Mapping[View, Float32s]:
    return {"update": seen.updates[target], "upload": seen.uploads[target], "opened": seen.opened}


def _row(
    world: World,
    case: Case,
    what: tuple[Setting, View],
    known: list[Evidence],
    attacked: list[Evidence],
) -> InversionRow:
    attack = Inversion([found for found, _ in known], [members for _, members in known])
    scored = [(attack.scores(found), members) for found, members in attacked]
    counts = [float(members.sum()) for _, members in attacked]
    return InversionRow(
        setting=what[0],
        view=what[1],
        batch_users=case.batch_users,
        steps=case.steps,
        trials=len(attacked),
        items=float(np.mean(counts)),
        recall=shown(mean_interval([recall(*trial) for trial in scored], (0, 1))),
        chance=float(np.mean(counts)) / len(attacked[0][1]),
        auc=shown(mean_interval([auc(*trial) for trial in scored], (0, 1))),
    )
