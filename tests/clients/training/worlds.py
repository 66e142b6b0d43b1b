"""Small platforms on which something can be learned."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clients.data.dataset import Histories
from shared.models.config import BehaviourConfig

CONFIG = BehaviourConfig(item_dim=16, adapter_dim=8, input_dim=8, hidden_dim=8, history_length=6)


def histories_of(
    *users: list[int], times: list[list[float]] | None = None, ordinal: bool = True
) -> Histories:
    """Histories with the given items; everything else is filled in."""
    items = np.array([i for user in users for i in user], dtype=np.int32)
    stamps = times or [list(range(len(user))) for user in users]
    return Histories(
        users=tuple(f"u{i}" for i in range(len(users))),
        offsets=np.cumsum([0, *map(len, users)]).astype(np.int64),
        items=items,
        events=(items % 3).astype(np.int8),
        times=np.array([t for stamp in stamps for t in stamp], dtype=np.float64),
        ordinal=ordinal,
    )


def cyclic_platform(users: int = 80, items: int = 30, length: int = 8) -> Histories:
    """Everybody walks through the catalogue in one order, from anywhere: learnable, not by text."""
    starts = np.random.default_rng(0).integers(items, size=users)
    return histories_of(*[[int((s + t) % items) for t in range(length)] for s in starts])


def item_vectors_of(items: int = 30) -> Tensor:
    """Unit vectors that say nothing about the order."""
    vectors = torch.randn(items, CONFIG.item_dim, generator=torch.Generator().manual_seed(0))
    return F.normalize(vectors, dim=-1)
