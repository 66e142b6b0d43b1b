"""From the global model to an update that is trained once, charged once and kept until it is sent.

The order is what makes a crash harmless: reserve the budget (durable), train, keep the update
(durable), commit the ledger (durable), only then hand the update to secure aggregation. A node that
died after keeping it sends the same bytes again; one that died before trains again under the
reservation that it has, because without a commit nothing has left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clients.kept_updates import KeptUpdates
from clients.node_data import TrainingData
from clients.training.batches import TrainingSet
from clients.training.local import LocalTrainer, Protection, StepTerms
from clients.training.shared_step import SharedStep
from shared.distributed import cost_of_round, gradient_scale
from shared.models.item_matrix import ItemMatrix
from shared.plan import Partner, PrivacyTerms, TrainingPlan
from shared.privacy.accounting import Budget, Cost, Mechanism, calibrate_noise
from shared.privacy.banded import banded_coefficients, banded_mechanism, group_of
from shared.privacy.ledger import Ledger
from shared.privacy.spends import Release, Spend
from shared.start import session_policy
from shared.statistics_session import statistics_costs

Float32s = NDArray[np.float32]
OpenLedger = Callable[[], Ledger]
"""Opens the node's ledger; only called for plans with privacy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one round costs and under which cap."""

    mechanism: Cost
    budget: Budget


def charge_of(plan: TrainingPlan, partner: Partner) -> Charge | None:
    """Cost of one round of `plan` at `partner`; None if the plan has no privacy.

    The noise multiplier is the smallest one with which all rounds together stay within the plan's
    epsilon, from public numbers alone; the node computes it, nobody tells it.
    """
    if plan.privacy is None:
        return None
    if plan.distributed:
        return Charge(
            mechanism=cost_of_round(plan, partner, session_policy(plan)),
            budget=_budget(plan.privacy, partner.declared_users),
        )
    users, bands = partner.declared_users, plan.privacy.bands
    rate = plan.local.group_rate(users, bands)
    a_round = banded_mechanism(
        noise_multiplier=1.0, group_rate=rate, steps=plan.local.steps, bands=bands
    )
    whole = replace(a_round, steps=plan.rounds * a_round.steps)
    noise = _noise(plan.privacy, users, whole, statistics_costs(plan, partner))
    return Charge(mechanism=a_round.scaled(noise), budget=_budget(plan.privacy, users))


class Contribution:
    """One node's updates to one plan.

    Parameters
    ----------
    plan, partner
        The accepted plan and this node's entry in it.
    data
        What the node trains on.
    directory
        Where updates are kept.
    open_ledger
        Opens the node's ledger.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        partner: Partner,
        data: TrainingData,
        directory: Path,
        open_ledger: OpenLedger,
    ) -> None:
        self._plan, self._partner, self._data = plan, partner, data
        self._kept, self._open_ledger = KeptUpdates(directory), open_ledger

    def update(self, number: int, model: Float32s) -> Float32s:
        """The weighted update (P,) of round `number` from the global `model` (P,).

        Raises
        ------
        PlanBudgetError, LifetimeBudgetError
            The round would exceed a cap; nothing was trained.
        KeptUpdateError
            The update of this round was kept but cannot be read.
        NoiseStateError
            The plan's noise is banded and its state is lost or old; nothing was trained.
        """
        release = Release(plan=self._plan.run_id, round=number, model="behaviour")
        spend = self._reserve(release)
        kept = self._kept.has(number)
        update = self._kept.read(number)["update"] if kept else self._train(number, model)
        if self._ledger is not None and spend is not None:
            self._ledger.commit(spend, update.tobytes())
        return np.asarray(self._plan.weight(self._partner) * update, dtype=np.float32)

    def forget(self, number: int) -> None:
        """The sum of round `number` is verified: delete an update that only the sum protects."""
        if self._plan.distributed:
            self._kept.drop(number)

    @cached_property
    def _charge(self) -> Charge | None:
        return charge_of(self._plan, self._partner)

    @cached_property
    def _ledger(self) -> Ledger | None:
        return self._open_ledger() if self._charge else None

    @cached_property
    def _trainer(self) -> LocalTrainer:
        return _trainer(self._plan, self._partner, self._data, self._charge)

    @cached_property
    def _shared_step(self) -> SharedStep:
        return _shared_step(self._plan, self._partner, self._data)

    def _reserve(self, release: Release) -> Spend | None:
        """The reservation of this round: the one that is there, or a new one."""
        if self._ledger is None or self._charge is None:
            return None
        wanted, spends = (self._charge.mechanism,), self._ledger.spends()
        if (
            self._plan.privacy is not None
            and self._plan.privacy.bands > 1
            and not self._kept.has(release.round)
        ):
            own = [s for s in spends if (s.release.plan, s.release.model) == _run_of(release)]
            self._kept.check_continuity(release.round, own)
        for spend in spends:
            if spend.release == release and spend.mechanisms == wanted:
                return spend
        return self._ledger.reserve(release, wanted, plan_budget=self._charge.budget)

    def _train(self, number: int, model: Float32s) -> Float32s:
        if self._plan.distributed:
            kept = {"update": self._shared_step.run(model)}
        else:
            kept = self._train_locally(number, model)
        self._kept.keep(number, kept)
        return kept["update"]

    def _train_locally(self, number: int, model: Float32s) -> dict[str, Float32s]:
        """The update and the state of training, with which the next round goes on."""
        newest = self._kept.newest()
        before = {} if newest is None or newest >= number else self._kept.read(newest)
        self._trainer.restore({n[2:]: t for n, t in before.items() if n.startswith("m.")})
        update = self._trainer.run(model, self._plan.local.steps)
        return {"update": update, **{f"m.{name}": t for name, t in self._trainer.state().items()}}


def _budget(terms: PrivacyTerms, declared_users: int) -> Budget:
    return Budget(epsilon=terms.epsilon, delta=terms.delta(declared_users))


def _run_of(release: Release) -> tuple[str, str]:
    return release.plan, release.model


@lru_cache(maxsize=64)
def _noise(
    terms: PrivacyTerms, declared_users: int, planned: Mechanism, spent: tuple[Cost, ...]
) -> float:
    own = [cost for cost in spent if isinstance(cost, Mechanism)]
    return calibrate_noise([planned], _budget(terms, declared_users), spent=own)


def _trainer(
    plan: TrainingPlan, partner: Partner, data: TrainingData, charge: Charge | None
) -> LocalTrainer:
    bands = plan.privacy.bands if plan.privacy else 1
    rate = plan.local.group_rate(partner.declared_users, bands)
    terms = StepTerms(
        learning_rate=plan.local.learning_rate,
        sample_rate=rate,
        expected_batch_size=rate * partner.declared_users / bands,
    )
    protection = None
    if charge is not None and plan.privacy is not None:
        protection = Protection(
            clipping_norm=plan.privacy.clipping_norm,
            noise_multiplier=charge.mechanism.noise_multiplier,
            coefficients=tuple(banded_coefficients(bands, plan.rounds * plan.local.steps).tolist()),
        )
    groups = group_of(data.lots, bands)
    return LocalTrainer(plan.model, *_inputs(plan, data), terms, protection, groups=groups)


def _shared_step(plan: TrainingPlan, partner: Partner, data: TrainingData) -> SharedStep:
    terms = StepTerms(
        learning_rate=plan.local.learning_rate,
        sample_rate=plan.local.sample_rate(partner.declared_users),
        expected_batch_size=gradient_scale(plan),
    )
    clipping = plan.privacy.clipping_norm if plan.privacy else 0.0
    return SharedStep(plan.model, *_inputs(plan, data), terms, clipping)


def _inputs(plan: TrainingPlan, data: TrainingData) -> tuple[TrainingSet, ItemMatrix]:
    examples = TrainingSet(data.histories, plan.model.history_length)
    return examples, ItemMatrix(vectors=torch.from_numpy(data.vectors))
