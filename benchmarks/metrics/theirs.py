"""RecTools' values of a case: JSON in, JSON out, run in an environment with RecTools alone.

Nothing of ours is imported, so the ranking is built a second time, by pandas.
"""

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rectools import Columns
from rectools.metrics import MRR, NDCG, CatalogCoverage, HitRate, IntraListDiversity
from rectools.metrics.distances import PairwiseDistanceCalculator

Vectors = NDArray[np.float64]


class CosineDistance(PairwiseDistanceCalculator):  # type: ignore[misc]
    """1 - cosine of the items' vectors."""

    def __init__(self, vectors: Vectors) -> None:
        self._units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def _get_distances_for_item_pairs(self, items_0: list[int], items_1: list[int]) -> Vectors:
        left, right = self._units[np.asarray(items_0)], self._units[np.asarray(items_1)]
        return np.asarray(1.0 - (left * right).sum(axis=1))


def recommendations(case: dict[str, Any]) -> pd.DataFrame:
    """Every unseen item of every user with its rank."""
    scores = np.array(case["scores"])
    users, items = np.indices(scores.shape)
    columns = {Columns.User: users.ravel(), Columns.Item: items.ravel(), "s": scores.ravel()}
    frame = pd.DataFrame(columns)
    seen = {(user, item) for user, row in enumerate(case["histories"]) for item in row}
    pairs = zip(frame[Columns.User], frame[Columns.Item], strict=True)
    frame = frame[[pair not in seen for pair in pairs]]
    frame = frame.sort_values([Columns.User, "s"], ascending=[True, False])
    frame[Columns.Rank] = frame.groupby(Columns.User).cumcount() + 1
    return frame.drop(columns="s")


def values(case: dict[str, Any]) -> dict[str, Any]:
    """Per-user and aggregate values under our names."""
    reco = recommendations(case)
    targets = case["targets"]
    truth = pd.DataFrame({Columns.User: range(len(targets)), Columns.Item: targets})
    vectors = np.array(case["vectors"], dtype=np.float32).astype(np.float64)
    n_items = len(vectors)
    accuracy = {
        "hr@10": HitRate(k=10),
        "ndcg@10": NDCG(k=10, divide_by_achievable=True),
        "hr@20": HitRate(k=20),
        "ndcg@20": NDCG(k=20, divide_by_achievable=True),
        "mrr": MRR(k=n_items),
    }
    users = {name: m.calc_per_user(reco, truth).sort_index() for name, m in accuracy.items()}
    coverage = CatalogCoverage(k=10, normalize=True).calc(reco, range(n_items))
    diversity = IntraListDiversity(k=10, distance_calculator=CosineDistance(vectors)).calc(reco)
    means = {name: float(series.mean()) for name, series in users.items()}
    return {
        "users": {name: [float(v) for v in series] for name, series in users.items()},
        "all": means | {"coverage@10": float(coverage), "ild@10": float(diversity)},
    }


if __name__ == "__main__":
    json.dump(values(json.load(sys.stdin)), sys.stdout)
