"""Metrics of next-item ranking, each a value per user so that errors and intervals can be given.

There is one relevant item a user, so HR@k is recall@k and the ideal DCG is 1 (Järvelin &
Kekäläinen 2002). A rank of 1 is the best; ranks come from `clients.evaluation.ranking`, over the
whole catalogue with ties against the model (sampled candidates mislead: Krichene & Rendle 2020).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Float64s, Int32s, Int64s

ABSENT = -1
"""Fills a list of recommendations that is shorter than k."""


def hit(ranks: Int64s, k: int) -> Float64s:
    """(B,) 1.0 where the target is among the first `k`."""
    return np.asarray(ranks <= k, dtype=np.float64)


def ndcg(ranks: Int64s, k: int) -> Float64s:
    """(B,) ``1 / log2(rank + 1)`` where the target is among the first `k`, else 0."""
    return np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)


def reciprocal_rank(ranks: Int64s) -> Float64s:
    """(B,) ``1 / rank``, over the whole ranking; its mean is the MRR."""
    return 1.0 / np.asarray(ranks, dtype=np.float64)


def coverage(top: Int32s, n_items: int, k: int) -> float:
    """Share of the catalogue that stands in at least one user's first `k` (aggregate diversity).

    Parameters
    ----------
    top
        (B, K >= k) recommended items, best first, `ABSENT` behind the end of a short list.
    """
    shown = np.unique(top[:, :k])
    return float(np.count_nonzero(shown != ABSENT)) / n_items


def intra_list_diversity(top: Int32s, vectors: NDArray[np.float32], k: int) -> Float64s:
    """(B,) 1 - mean cosine over the pairs of the first `k` items (Ziegler et al. 2005).

    The sum of a list's pairwise cosines follows from the length of the sum of its unit vectors, so
    no pair is formed. Lists of fewer than two items have no diversity: 0.

    Parameters
    ----------
    top
        (B, K >= k) recommended items, `ABSENT` behind the end of a short list.
    vectors
        (N, D) item vectors, any length; a zero vector is orthogonal to all.
    """
    items = top[:, :k]
    present = items != ABSENT
    units = _unit_rows(vectors)
    gathered = units[np.where(present, items, 0)] * present[:, :, None]
    summed = np.square(gathered.sum(axis=1)).sum(axis=1)
    own = np.square(gathered).sum(axis=(1, 2))
    count = present.sum(axis=1)
    pairs = count * (count - 1)
    return np.where(pairs > 0, 1.0 - (summed - own) / np.maximum(pairs, 1), 0.0)


def standard_error(values: Float64s) -> float:
    """Standard error of the mean over users; 0 for fewer than two."""
    if len(values) < 2:
        return 0.0
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _unit_rows(vectors: NDArray[np.float32]) -> Float64s:
    wide = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(norms > 0, norms, 1.0)
