"""Local steps of the content VAE-GAN: as the behaviour model's, with profiles as examples."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from clients.data.dataset import Int64s
from clients.training.device import HOST, Compute
from clients.training.local import Protection, StepTerms, Trainer, check_items
from clients.training.profiles import ProfileSet
from shared.models.config import ContentConfig
from shared.models.content_vae_gan import ContentVAEGAN
from shared.models.item_matrix import ItemMatrix


class ContentTrainer(Trainer):
    """Trains encoder, generator and discriminator on one platform's users.

    One Poisson batch is one step of one mechanism over all three networks. It draws batches of its
    own: a batch that also trained the behaviour model would be two releases about the same users.

    Parameters
    ----------
    config
        Shape of the model, from the plan.
    examples
        Training part of the histories, as profiles.
    items, terms, protection, groups, compute
        See `Trainer`.

    Raises
    ------
    PrivateBiasError
        `items` has biases and the training is private.
    UnknownItemError
        A history names an item outside the catalogue.
    """

    def __init__(
        self,
        config: ContentConfig,
        examples: ProfileSet,
        items: ItemMatrix,
        terms: StepTerms,
        protection: Protection | None,
        *,
        groups: Int64s | None = None,
        compute: Compute = HOST,
    ) -> None:
        check_items(examples.item_count, items)
        self._model, self._examples = ContentVAEGAN(config), examples
        super().__init__(self._model, examples.users, items, terms, protection, groups, compute)

    def _losses(self, rows: NDArray[np.int64]) -> torch.Tensor:
        batch = self._compute.place(self._examples.batch(rows))
        return self._model.loss_per_user(batch, self._items, self._negatives())
