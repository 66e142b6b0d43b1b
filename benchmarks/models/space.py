"""Item space: text profile without any training, by whitening and public reduction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.models.judge import figures
from clients.data.dataset import Histories
from clients.recommenders.base import Float32s
from clients.training.batches import recent_sequences
from shared.models.behaviour import decayed_sum
from shared.models.encoders import EncodingCache, load_encoder
from shared.models.item_space import item_vectors
from simulations.platforms import LabPlatform, cache_directory

CENTRED_ONLY = 1e9
CHOICES = (
    *((512, shrinkage) for shrinkage in (CENTRED_ONLY, 1.0, 0.3, 0.1, 0.05)),
    *((dim, 0.3) for dim in (256, 128, 64)),
)


class Profile:
    """Cosine between an item and the decayed mean of a history."""

    def __init__(self, vectors: Float32s, decay: float) -> None:
        self._vectors, self._decay = torch.from_numpy(vectors), decay

    def scores(self, histories: Histories, /) -> Float32s:
        """(B, N) similarities, up to a factor per user."""
        sequences = recent_sequences(histories, 50)
        total = decayed_sum(self._vectors[sequences.items], sequences.packing, self._decay)
        profile = F.normalize(sequences.packing.last(total), dim=-1)
        return np.asarray((profile @ self._vectors.T).numpy(), dtype=np.float32)


def rows(platform: LabPlatform) -> Iterator[dict[str, Any]]:
    """One row a choice."""
    cache = EncodingCache(load_encoder(), cache_directory())
    encoded = cache.encode(platform.catalogue.texts())
    yield {"dim": 512, "shrinkage": "raw", **figures(Profile(encoded, 0.6), platform)}
    for dim, shrinkage in CHOICES:
        vectors = item_vectors(encoded, dim=dim, shrinkage=shrinkage)
        name = "centred" if shrinkage == CENTRED_ONLY else shrinkage
        yield {"dim": dim, "shrinkage": name, **figures(Profile(vectors, 0.6), platform)}
