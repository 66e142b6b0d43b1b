"""Content profiles of users, for the content VAE-GAN: what they had, as one vector.

A profile is the exponentially decayed mean of the item vectors of a user's events, scaled to length
one. To train, each of a user's last K events is to be generated from the profile of those before.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from clients.data.dataset import Histories, Int64s
from shared.models.config import ContentConfig
from shared.models.content_vae_gan import Profiles
from shared.models.item_matrix import SeenItems


class ProfileSet:
    """A platform's users as examples of the content VAE-GAN.

    Parameters
    ----------
    histories
        Training part of the histories: no validation and no test event in it.
    vectors
        (N, d) item vectors.
    config
        How profiles are made.
    """

    def __init__(self, histories: Histories, vectors: Tensor, config: ContentConfig) -> None:
        self._items = torch.from_numpy(histories.items.astype(np.int64))
        self._ends = torch.from_numpy(histories.offsets[1:])
        self._lengths = torch.from_numpy(histories.lengths)
        self._vectors, self._config = vectors, config
        self._weights, self._covered = _weights(config)

    @property
    def users(self) -> int:
        """U, users with a single event included: they are sampled and weigh nothing."""
        return len(self._lengths)

    @property
    def item_count(self) -> int:
        """One more than the largest item index."""
        return int(self._items.max()) + 1 if len(self._items) else 0

    @property
    def learnable(self) -> bool:
        """Whether anybody has the two events that an example needs."""
        return bool((self._lengths > 1).any())

    def batch(self, rows: Int64s | Tensor) -> Profiles:
        """Examples of the users at `rows` (B,), in that order; B = 0 is fine."""
        rows = torch.as_tensor(rows, dtype=torch.int64)
        window, present = self._window(rows, self._config.history_length + 1)
        vectors = self._vectors[window] * present[..., None]
        means = torch.einsum("km,bmd->bkd", self._weights, vectors[:, :-1])
        count = self._config.profiles_per_user
        # a profile and a following event: the event before the following one must be there
        mask = present[:, -count - 1 : -1]
        had = (self._covered[None] & present[:, None, :-1]).flatten(0, 1)
        pairs = had.nonzero()
        return Profiles(
            vectors=F.normalize(means, dim=-1),
            following=torch.where(mask, window[:, -count:], 0),
            mask=mask.to(self._vectors.dtype),
            seen=SeenItems(
                rows=pairs[:, 0],
                items=window[:, :-1].repeat_interleave(count, 0)[pairs[:, 0], pairs[:, 1]],
            ),
        )

    def _window(self, rows: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Items (B, M) of the last events, oldest first, and which of them there are."""
        back = torch.arange(length, 0, -1)
        present = back[None] <= self._lengths[rows][:, None]
        places = (self._ends[rows][:, None] - back[None]).clamp_min(0)
        if not len(self._items):
            return places, present
        return torch.where(present, self._items[places], 0), present


def latest_profiles(histories: Histories, vectors: Tensor, config: ContentConfig) -> Tensor:
    """(B, d) profile of everything that each user had; zero for a user without events."""
    counts = np.minimum(histories.lengths, config.history_length)
    recent = histories.last(config.history_length)
    ages = np.repeat(recent.offsets[1:], counts) - 1 - np.arange(len(recent.items))
    weights = torch.from_numpy(config.profile_decay**ages).to(vectors.dtype)
    rows = torch.from_numpy(np.repeat(np.arange(len(recent)), counts))
    events = vectors[torch.from_numpy(recent.items.astype(np.int64))] * weights[:, None]
    return F.normalize(vectors.new_zeros(len(recent), vectors.shape[1]).index_add_(0, rows, events))


def _weights(config: ContentConfig) -> tuple[Tensor, Tensor]:
    """Weight (K, M) of each event of the window in each profile, and which ones it covers."""
    count, length = config.profiles_per_user, config.history_length
    last = torch.arange(length - count, length)[:, None]
    ages = last - torch.arange(length)[None]
    weights = torch.where(ages >= 0, config.profile_decay ** ages.clamp_min(0).float(), 0.0)
    return weights, ages >= 0
