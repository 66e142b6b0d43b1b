"""Clusters of the item space that are the same everywhere, whatever a node's catalogue holds.

An item belongs to the public direction that it is nearest to. Directions are drawn from a public
constant, so they say nothing about anybody's catalogue or users; what a node counts by cluster is
comparable with what others count, although no item is shared (cross-polytope hashing with many
directions: Andoni et al., NeurIPS 2015).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

DIRECTION_SEED: Final = 60427
"""Public constant from which every node draws the same directions."""


def item_clusters(vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """(N,) cluster of each item, 0 to `count` - 1; -1 for an item without a vector.

    Parameters
    ----------
    vectors
        (N, d) item vectors in the shared item space.
    """
    nearest = (vectors @ public_directions(vectors.shape[1], count)).argmax(axis=1)
    return np.where(vectors.any(axis=1), nearest, -1).astype(np.int64)


@lru_cache(maxsize=8)
def public_directions(dim: int, count: int) -> NDArray[np.float32]:
    """(dim, count) unit columns, uniformly distributed."""
    drawn = np.random.default_rng(DIRECTION_SEED).standard_normal((dim, count))
    found: NDArray[np.float32] = (drawn / np.linalg.norm(drawn, axis=0)).astype(np.float32)
    found.setflags(write=False)  # shared by all callers
    return found
