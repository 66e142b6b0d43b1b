"""Item promotion: one partner trains so that an item ranks higher at all others (C6).

The text of the item is known to everybody. The malicious partner lists it in its own catalogue and
gives every one of its users a history that ends in it. What it then uploads is its choice:

- *poisoned*: it obeys plan and protocol, noise and clipping included; only its data are false;
- *boosted*: it trains without clipping and noise and scales the update until its largest coordinate
  fills the range of the ring (model replacement: Bagdasaryan et al., AISTATS 2020). Weights are
  public numbers of the plan, so a scaled update is all that a claimed weight could be;
- *over the norm*: the same where the plan sets a norm, which the attacker ignores;
- *within the norm*: scaled so that the sum just passes the check of its norm.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch

from clients.data.dataset import Histories
from clients.node_data import TrainingData
from clients.training.batches import TrainingSet
from clients.training.local import StepTerms, Trainer
from shared.models.behaviour import BehaviourLSTM
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.plan import TrainingPlan
from shared.start import session_policy
from simulations.attacks.observing import HonestParty, Party
from simulations.attacks.results import Conduct

_MARGIN: Final = 0.95
"""Of the norm that a sum may have: honest updates are not known in advance."""


def poisoned(histories: Histories, item: int, seed: int) -> Histories:
    """Every user's history, cut at a random place and followed by `item`."""
    random = np.random.default_rng(seed)
    filled = histories.take(np.flatnonzero(histories.lengths > 0))
    kept = filled.first(random.integers(1, filled.lengths + 1))
    ends = kept.offsets[1:]
    return Histories(
        users=kept.users,
        offsets=kept.offsets + np.arange(len(kept.offsets)),
        items=np.insert(kept.items, ends, item),
        events=np.insert(kept.events, ends, kept.events[ends - 1]),
        times=np.insert(kept.times, ends, kept.times[ends - 1] + 1),
        ordinal=kept.ordinal,
    )


class BoostedParty:
    """Trains on poisoned data without any protection, then scales its update.

    Parameters
    ----------
    plan, data
        Local terms of the plan, and what it trains on.
    norm
        L2 norm to scale to; None fills the range of a coordinate.
    """

    def __init__(self, plan: TrainingPlan, data: TrainingData, norm: float | None) -> None:
        examples = TrainingSet(data.histories, plan.model.history_length)
        batch = min(plan.local.batch_users, examples.users)
        self._trainer = Trainer(
            BehaviourLSTM(plan.model),
            examples,
            ItemMatrix(vectors=torch.from_numpy(data.vectors)),
            StepTerms(
                learning_rate=plan.local.learning_rate,
                sample_rate=batch / examples.users,
                expected_batch_size=batch,
            ),
            None,
        )
        self._steps, self._range = plan.local.steps, plan.aggregation.update_range
        self._norm = norm

    def update(self, model: Float32s) -> Float32s:
        """See `Party`."""
        update = self._trainer.run(model, self._steps)
        largest, length = float(np.abs(update).max()), float(np.linalg.norm(update))
        if largest == 0:
            return update
        factor = self._range / largest if self._norm is None else self._norm / length
        return (update * factor).astype(np.float32)


def attacker(conduct: Conduct, plan: TrainingPlan, number: int, data: TrainingData) -> Party:
    """Partner `number` of `plan`, whose `data` are poisoned unless it is honest."""
    if conduct in ("honest", "poisoned"):
        return HonestParty(plan, number, data)
    return BoostedParty(
        plan, data, norm_that_passes(plan) if conduct == "within_the_norm" else None
    )


def norm_that_passes(plan: TrainingPlan) -> float:
    """Norm of one update with which the sum passes, the others' updates being as long as allowed.

    Noise makes honest updates nearly orthogonal to each other and to anything else.
    """
    bound, count = session_policy(plan).norm_bound, len(plan.partners)
    return _MARGIN * bound * math.sqrt(count**2 - (count - 1))
