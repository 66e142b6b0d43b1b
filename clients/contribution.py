"""From the global model to an update that is trained once, charged once and kept until it is sent.

The order is what makes a crash harmless: reserve the budget (durable), train, keep the update
(durable), commit the ledger (durable), only then hand the update to secure aggregation. A node that
died after keeping it sends the same bytes again; one that died before trains again under the
reservation that it has, because without a commit nothing has left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from clients.node_data import TrainingData
from clients.training.batches import TrainingSet
from clients.training.local import LocalTrainer, Protection, StepTerms
from clients.training.shared_step import SharedStep
from shared.distributed import cost_of_round, gradient_scale
from shared.errors import FederationError
from shared.files import write_atomically
from shared.models.item_matrix import ItemMatrix
from shared.plan import Partner, PrivacyTerms, TrainingPlan
from shared.privacy.accounting import Budget, Cost, Mechanism, calibrate_noise
from shared.privacy.ledger import Ledger
from shared.privacy.spends import Release, Spend
from shared.start import session_policy

Float32s = NDArray[np.float32]
OpenLedger = Callable[[], Ledger]
"""Opens the node's ledger; only called for plans with privacy."""


class KeptUpdateError(FederationError):
    """An update that this node kept cannot be read."""

    code = "FED-050"
    default_remedy = "the round cannot be repeated without a new charge; skip it"


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
    rate = plan.local.sample_rate(partner.declared_users)
    noise = _noise(plan.privacy, partner.declared_users, rate, plan.rounds * plan.local.steps)
    return Charge(
        mechanism=Mechanism(noise_multiplier=noise, sample_rate=rate, steps=plan.local.steps),
        budget=_budget(plan.privacy, partner.declared_users),
    )


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
        self._directory, self._open_ledger = directory, open_ledger

    def update(self, number: int, model: Float32s) -> Float32s:
        """The weighted update (P,) of round `number` from the global `model` (P,).

        Raises
        ------
        PlanBudgetError, LifetimeBudgetError
            The round would exceed a cap; nothing was trained.
        KeptUpdateError
            The update of this round was kept but cannot be read.
        """
        path = self._path(number)
        release = Release(plan=self._plan.run_id, round=number, model="behaviour")
        spend = self._reserve(release)
        update = _read(path)["update"] if path.exists() else self._train(number, model)
        if self._ledger is not None and spend is not None:
            self._ledger.commit(spend, update.tobytes())
        return np.asarray(self._plan.weight(self._partner) * update, dtype=np.float32)

    def forget(self, number: int) -> None:
        """The sum of round `number` is verified: delete an update that only the sum protects."""
        if self._plan.distributed:
            self._path(number).unlink(missing_ok=True)

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
        wanted = (self._charge.mechanism,)
        for spend in self._ledger.spends():
            if spend.release == release and spend.mechanisms == wanted:
                return spend
        return self._ledger.reserve(release, wanted, plan_budget=self._charge.budget)

    def _train(self, number: int, model: Float32s) -> Float32s:
        if self._plan.distributed:
            kept = {"update": self._shared_step.run(model)}
        else:
            kept = self._train_locally(number, model)
        arrays = {name: np.ascontiguousarray(tensor) for name, tensor in kept.items()}
        write_atomically(self._path(number), save(arrays), private=True)
        self._path(number - 2).unlink(missing_ok=True)
        return kept["update"]

    def _train_locally(self, number: int, model: Float32s) -> dict[str, Float32s]:
        """The update and the optimiser's moments, with which the next round goes on."""
        previous = self._path(number - 1)
        if previous.exists():
            tensors = _read(previous)
            self._trainer.restore({n[2:]: t for n, t in tensors.items() if n.startswith("m.")})
        update = self._trainer.run(model, self._plan.local.steps)
        moments = {f"m.{name}": t for name, t in self._trainer.moments().items()}
        return {"update": update, **moments}

    def _path(self, number: int) -> Path:
        return self._directory / f"update-{number:05d}.safetensors"


def _budget(terms: PrivacyTerms, declared_users: int) -> Budget:
    return Budget(epsilon=terms.epsilon, delta=terms.delta(declared_users))


@lru_cache(maxsize=64)
def _noise(terms: PrivacyTerms, declared_users: int, rate: float, steps: int) -> float:
    planned = Mechanism(noise_multiplier=1.0, sample_rate=rate, steps=steps)
    return calibrate_noise([planned], _budget(terms, declared_users))


def _trainer(
    plan: TrainingPlan, partner: Partner, data: TrainingData, charge: Charge | None
) -> LocalTrainer:
    rate = plan.local.sample_rate(partner.declared_users)
    terms = StepTerms(
        learning_rate=plan.local.learning_rate,
        sample_rate=rate,
        expected_batch_size=rate * partner.declared_users,
    )
    protection = None
    if charge is not None and plan.privacy is not None:
        protection = Protection(
            clipping_norm=plan.privacy.clipping_norm,
            noise_multiplier=charge.mechanism.noise_multiplier,
        )
    return LocalTrainer(plan.model, *_inputs(plan, data), terms, protection)


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


def _read(path: Path) -> dict[str, Float32s]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise KeptUpdateError(str(error), where=str(path)) from error
