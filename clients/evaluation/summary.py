"""From per-user ranks to the figures of a table, under the names that ``results.json`` uses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Float64s
from clients.evaluation.metrics import (
    coverage,
    hit,
    intra_list_diversity,
    ndcg,
    reciprocal_rank,
    standard_error,
)
from clients.evaluation.ranking import PerUserResult


def per_user(result: PerUserResult) -> dict[str, Float64s]:
    """Accuracy metric → (B,) its value for each user."""
    return {
        "hr@10": hit(result.ranks, 10),
        "ndcg@10": ndcg(result.ranks, 10),
        "hr@20": hit(result.ranks, 20),
        "ndcg@20": ndcg(result.ranks, 20),
        "mrr": reciprocal_rank(result.ranks),
    }


def summary(result: PerUserResult, vectors: NDArray[np.float32]) -> dict[str, Any]:
    """Means over users, with standard errors under ``"se"``.

    Parameters
    ----------
    vectors
        (N, D) item vectors for the diversity of lists; N is the size of the catalogue.
    """
    values = per_user(result) | {"ild@10": intra_list_diversity(result.top, vectors, 10)}
    means = {name: float(np.mean(v)) if len(v) else 0.0 for name, v in values.items()}
    return {
        **means,
        "coverage@10": coverage(result.top, len(vectors), 10),
        "se": {name: standard_error(v) for name, v in values.items()},
    }
