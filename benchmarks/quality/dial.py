"""The diversity dial: what variety of the first ten costs in NDCG@10, and a plot of it.

The default is chosen on validation items: the last setting before the first that loses more than
2% there. (The largest one within 2% follows the noise: the curve of a few hundred users is not
monotone.) Then the test items are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.report import Row
from clients.evaluation.metrics import ABSENT, intra_list_diversity, ndcg
from clients.evaluation.ranking import unseen_scores
from clients.evaluation.split import Fold
from clients.ranking.diversity import Determinant, MarginalRelevance, Variety, select
from clients.recommenders.weighted_sum import ItemKNNPlusTfIdf
from simulations.platforms import LabPlatform

DIALS: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
POOL: Final = 100
USERS: Final = 400
LOSS: Final = 0.02
METHODS: Final[dict[str, Callable[[np.ndarray], Variety]]] = {
    "mmr": MarginalRelevance,
    "dpp": lambda vectors: Determinant(vectors, 10),
}


def rows(platform: LabPlatform, *, seed: int = 0) -> list[Row]:
    """NDCG@10 and intra-list diversity of a platform at every setting of both methods."""
    scorer = ItemKNNPlusTfIdf().fit(platform.split.training, platform.catalogue)
    found: list[Row] = []
    for part, fold in (("validation", platform.split.validation), ("test", platform.split.test)):
        chosen = _some(fold, seed)
        scores = unseen_scores(scorer, chosen.contexts)
        for method in METHODS:
            for dial in DIALS:
                lists = _lists(scores, platform.vectors.numpy(), method, dial)
                row = _figures(lists, chosen.targets, platform.vectors.numpy())
                found.append(
                    {"platform": platform.name, "part": part, "method": method, "dial": dial} | row
                )
    return found


def default_setting(found: Sequence[Row], method: str) -> float:
    """The last dial before the first that loses more than `LOSS` of dial 0 on validation items."""
    means = [_mean(found, "validation", method, dial, "ndcg@10") for dial in DIALS]
    kept = takewhile(lambda pair: pair[1] >= (1 - LOSS) * means[0], zip(DIALS, means, strict=True))
    return [dial for dial, _ in kept][-1]


def loss_at(found: Sequence[Row], method: str, dial: float) -> float:
    """Share of the test NDCG@10 of dial 0 that `dial` loses."""
    whole = _mean(found, "test", method, 0.0, "ndcg@10")
    return 1 - _mean(found, "test", method, dial, "ndcg@10") / whole if whole else 0.0


def plot(found: Sequence[Row], path: Path) -> None:
    """NDCG@10 against diversity on test items, a line a method, a point a setting."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    axes = figure.subplots()
    for method in METHODS:
        x = [_mean(found, "test", method, d, "ild@10") for d in DIALS]
        y = [_mean(found, "test", method, d, "ndcg@10") for d in DIALS]
        axes.plot(x, y, marker="o", label=method.upper())
        for dial, one, other in zip(DIALS, x, y, strict=True):
            axes.annotate(f"{dial:g}", (one, other), fontsize=7)
    axes.set_xlabel("intra-list diversity@10")
    axes.set_ylabel("NDCG@10")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _lists(scores: np.ndarray, vectors: np.ndarray, method: str, dial: float) -> np.ndarray:
    """(B, 10) lists put together from the `POOL` best of each row of `scores`."""
    result = np.full((len(scores), 10), ABSENT, dtype=np.int32)
    for row, own in enumerate(scores):
        count = min(POOL, int(np.isfinite(own).sum()))  # items of the history are no candidates
        groups = np.zeros(count, dtype=np.int64)
        best = np.argpartition(-own, count - 1)[:count]
        pool = best[np.argsort(-own[best], kind="stable")]
        values = own[pool].astype(np.float64)
        spread = values[0] - values[-1]
        relevance = (values - values[-1]) / spread if spread > 0 else np.ones(count)
        places, _ = select(relevance, METHODS[method](vectors[pool]), dial, groups, 0, 10)
        result[row, : len(places)] = pool[places]
    return result


def _figures(lists: np.ndarray, targets: np.ndarray, vectors: np.ndarray) -> Row:
    hits = lists == targets[:, None]
    ranks = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, vectors.shape[0])
    return {
        "ndcg@10": float(ndcg(ranks.astype(np.int64), 10).mean()),
        "ild@10": float(intra_list_diversity(lists, vectors, 10).mean()),
    }


def _mean(found: Sequence[Row], part: str, method: str, dial: float, metric: str) -> float:
    values = [
        row[metric]
        for row in found
        if (row["part"], row["method"], row["dial"]) == (part, method, dial)
    ]
    return float(np.mean(values))


def _some(fold: Fold, seed: int) -> Fold:
    count = min(USERS, len(fold))
    rows = np.random.default_rng(seed).choice(len(fold), count, replace=False)
    return fold.take(np.sort(rows))
