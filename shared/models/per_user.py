"""A model that private training can take steps of: its loss is one number a user."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from torch import Tensor, nn

from shared.models.item_matrix import ItemMatrix

Batch_contra = TypeVar("Batch_contra", contravariant=True)


class PerUserModel(nn.Module, ABC, Generic[Batch_contra]):
    """Holds the shared parameters only, in layers that know each user's gradient."""

    @abstractmethod
    def loss_per_user(
        self, batch: Batch_contra, items: ItemMatrix, negatives: Tensor | None = None, /
    ) -> Tensor:
        """(B,) nats; a function of each user and public numbers alone, zero for one without events.

        Parameters
        ----------
        items
            The catalogue; without biases in a private step.
        negatives
            As in `next_item_loss`: drawn without looking at data, or None for the whole catalogue.
        """
