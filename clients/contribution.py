"""From the global model to an update that is trained once, charged once and kept until it is sent.

The order is what makes a crash harmless: reserve the budget (durable), train, keep the update
(durable), commit the ledger (durable), only then hand the update to secure aggregation. A node that
died after keeping it sends the same bytes again; one that died before trains again under the
reservation that it has, because without a commit nothing has left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clients.charge import Charge, charge_of
from clients.kept_updates import KeptUpdates
from clients.local_round import LocalRound
from clients.node_data import TrainingData
from clients.training.batches import TrainingSet
from clients.training.device import HOST, Compute
from clients.training.local import StepTerms
from clients.training.shared_step import SharedStep
from shared.distributed import gradient_scale
from shared.models.item_matrix import ItemMatrix
from shared.plan import Partner, TrainingPlan
from shared.privacy.ledger import Ledger
from shared.privacy.spends import Release, Spend

Float32s = NDArray[np.float32]
OpenLedger = Callable[[], Ledger]
"""Opens the node's ledger; only called for plans with privacy."""


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
    compute
        Where to train.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        partner: Partner,
        data: TrainingData,
        directory: Path,
        open_ledger: OpenLedger,
        compute: Compute = HOST,
    ) -> None:
        self._plan, self._partner, self._data = plan, partner, data
        self._compute = compute
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
        release = Release(plan=self._plan.run_id, round=number, model="+".join(self._plan.models))
        spend = self._reserve(release)
        kept = self._kept.has(number)
        update = self._kept.read(number)["update"] if kept else self._train(number, model)
        if self._ledger is not None and spend is not None:
            self._ledger.commit(spend, update.tobytes())
        return np.asarray(self._plan.weight(self._partner) * update, dtype=np.float32)

    def forget_before(self, number: int) -> None:
        """Rounds before `number` are over: delete updates that only their sums protect."""
        if self._plan.distributed:
            self._kept.drop_before(number)

    @cached_property
    def _charge(self) -> Charge | None:
        return charge_of(self._plan, self._partner)

    @cached_property
    def _ledger(self) -> Ledger | None:
        return self._open_ledger() if self._charge else None

    @cached_property
    def _local_round(self) -> LocalRound:
        return LocalRound(self._plan, self._partner, self._data, self._charge, self._compute)

    @cached_property
    def _shared_step(self) -> SharedStep:
        return _shared_step(self._plan, self._partner, self._data, self._compute)

    def _reserve(self, release: Release) -> Spend | None:
        """The reservation of this round: the one that is there, or a new one."""
        if self._ledger is None or self._charge is None:
            return None
        if (
            self._plan.privacy is not None
            and self._plan.privacy.bands > 1
            and not self._kept.has(release.round)
        ):
            spends = self._ledger.spends()
            own = [s for s in spends if (s.release.plan, s.release.model) == _run_of(release)]
            self._kept.check_continuity(release.round, own)
        wanted, budget = self._charge.mechanisms, self._charge.budget
        return self._ledger.reserve_once(release, wanted, plan_budget=budget)

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
        return self._local_round.run(model, before)


def _run_of(release: Release) -> tuple[str, str]:
    return release.plan, release.model


def _shared_step(
    plan: TrainingPlan, partner: Partner, data: TrainingData, compute: Compute
) -> SharedStep:
    terms = StepTerms(
        learning_rate=plan.local.learning_rate,
        sample_rate=plan.local.sample_rate(partner.declared_users),
        expected_batch_size=gradient_scale(plan),
    )
    clipping = plan.privacy.clipping_norm if plan.privacy else 0.0
    examples = TrainingSet(data.histories, plan.model.history_length)
    items = ItemMatrix(vectors=torch.from_numpy(data.vectors))
    return SharedStep(plan.model, examples, items, terms, clipping, compute)
