"""One round of local training: every model of the plan, one after the other, in one vector.

Each model has batches, noise and an optimiser of its own, so each is a mechanism of its own; both
were charged before the first of them began. What is kept of a round is kept when both are done: a
node that dies between the two trains both again under the reservation that it has, and nothing of
the lost attempt has left or is used.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
import torch

from clients.charge import Charge
from clients.node_data import TrainingData
from clients.training.batches import TrainingSet
from clients.training.device import HOST, Compute
from clients.training.local import Protection, StepTerms, Trainer
from clients.training.profiles import ProfileSet
from shared.models.behaviour import BehaviourLSTM
from shared.models.content_vae_gan import ContentVAEGAN, Profiles
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.models.sequences import NextEvents
from shared.plan import LocalSteps, Partner, TrainingPlan
from shared.privacy.banded import banded_coefficients, group_of

UPDATE: Final = "update"
_BEHAVIOUR, _CONTENT = "m.", "c."


class LocalRound:
    """Trains the models of a plan on one platform.

    Parameters
    ----------
    plan, partner
        The accepted plan and this node's entry in it.
    data
        What the node trains on.
    charge
        What a round costs; None trains without privacy.
    compute
        Where to train; no part of the guarantee.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        partner: Partner,
        data: TrainingData,
        charge: Charge | None,
        compute: Compute = HOST,
    ) -> None:
        self._plan, self._partner, self._data, self._charge = plan, partner, data, charge
        self._compute = compute
        self._items = ItemMatrix(vectors=torch.from_numpy(data.vectors))

    def run(self, model: Float32s, before: dict[str, Float32s]) -> dict[str, Float32s]:
        """Train from the global `model` (P,), going on from what the round before returned.

        Returns
        -------
        dict
            `UPDATE` → (P,) new minus old, beside the state of the optimisers and the noise.
        """
        behaviour, content = self._plan.split(model)
        self._behaviour.restore(_under(_BEHAVIOUR, before))
        update = self._behaviour.run(behaviour, self._plan.local.steps)
        kept = _named(_BEHAVIOUR, self._behaviour.state())
        if self._plan.content is not None and self._content is not None:
            self._content.restore(_under(_CONTENT, before))
            more = self._content.run(content, self._plan.content.local.steps)
            update = np.concatenate([update, more])
            kept |= _named(_CONTENT, self._content.state())
        return {UPDATE: update, **kept}

    @cached_property
    def _behaviour(self) -> Trainer[NextEvents]:
        plan = self._plan
        bands = plan.privacy.bands if plan.privacy else 1
        coefficients = banded_coefficients(bands, plan.rounds * plan.local.steps).tolist()
        return Trainer(
            BehaviourLSTM(plan.model),
            TrainingSet(self._data.histories, plan.model.history_length),
            self._items,
            self._terms(plan.local, bands),
            self._protection(0, tuple(coefficients)),
            groups=group_of(self._data.lots, bands),
            compute=self._compute,
        )

    @cached_property
    def _content(self) -> Trainer[Profiles] | None:
        content = self._plan.content
        if content is None:
            return None
        return Trainer(
            ContentVAEGAN(content.model),
            ProfileSet(self._data.histories, self._items.vectors, content.model),
            self._items,
            self._terms(content.local, 1),
            self._protection(1),
            compute=self._compute,
        )

    def _terms(self, local: LocalSteps, bands: int) -> StepTerms:
        users = self._partner.declared_users
        rate = local.group_rate(users, bands)
        return StepTerms(
            learning_rate=local.learning_rate,
            sample_rate=rate,
            expected_batch_size=rate * users / bands,
        )

    def _protection(
        self, index: int, coefficients: tuple[float, ...] = (1.0,)
    ) -> Protection | None:
        if self._charge is None or self._plan.privacy is None:
            return None
        return Protection(
            clipping_norm=self._plan.privacy.clipping_norm,
            noise_multiplier=self._charge.mechanisms[index].noise_multiplier,
            coefficients=coefficients,
        )


def _under(prefix: str, tensors: dict[str, Float32s]) -> dict[str, Float32s]:
    start = len(prefix)
    return {name[start:]: t for name, t in tensors.items() if name.startswith(prefix)}


def _named(prefix: str, tensors: dict[str, Float32s]) -> dict[str, Float32s]:
    return {prefix + name: tensor for name, tensor in tensors.items()}
