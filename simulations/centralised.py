"""The centralised system: one model trained on all platforms' histories as if they were pooled.

No platform may do this; it bounds from above what the federation without privacy can reach.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clients.training.batches import TrainingSet
from clients.training.local import ADAM_BETAS
from shared.models.behaviour import BehaviourLSTM
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix
from shared.models.losses import draw_negatives
from shared.models.parameters import Float32s
from shared.models.torch_parameters import load_vector, read_vector
from shared.progress import Step
from simulations.platforms import LabPlatform
from simulations.recipe import CentralisedRecipe


def train_centralised(
    platforms: Sequence[LabPlatform],
    model: BehaviourConfig,
    settings: CentralisedRecipe,
    seed: int,
    step: Step,
) -> Float32s:
    """Train shared parameters (P,) on the pooled users of all platforms.

    A step takes `batch_users` users drawn from the pool; each is ranked against the catalogue of
    the platform that the history comes from.
    """
    pool = _Pool(platforms, model, settings, seed)
    network = BehaviourLSTM(model)
    load_vector(network, initial_parameters(model, seed))
    optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate, betas=ADAM_BETAS)
    for done in range(1, settings.steps + 1):
        optimiser.zero_grad()
        (pool.loss(network) / settings.batch_users).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step(done, settings.steps)
    return read_vector(network)


class _Pool:
    def __init__(
        self,
        platforms: Sequence[LabPlatform],
        model: BehaviourConfig,
        settings: CentralisedRecipe,
        seed: int,
    ) -> None:
        self._sets = [TrainingSet(p.split.training, model.history_length) for p in platforms]
        self._items = [ItemMatrix(vectors=p.vectors) for p in platforms]
        self._settings = settings
        self._owner = np.repeat(np.arange(len(platforms)), [s.users for s in self._sets])
        self._row = np.concatenate([np.arange(s.users) for s in self._sets])
        self._users = np.random.default_rng(seed)
        self._random = torch.Generator().manual_seed(seed)

    def loss(self, network: BehaviourLSTM) -> Tensor:
        """Summed loss of a batch of pooled users."""
        size = min(self._settings.batch_users, len(self._row))
        chosen = self._users.choice(len(self._row), size, replace=False)
        total = torch.zeros(())
        for index, (examples, items) in enumerate(zip(self._sets, self._items, strict=True)):
            rows = self._row[chosen[self._owner[chosen] == index]]
            negatives = draw_negatives(self._settings.negatives, len(items), self._random)
            losses = network.loss_per_user(examples.batch(rows), items, negatives)
            total = total + losses.sum()
        return total
