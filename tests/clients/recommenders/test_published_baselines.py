"""Our baselines against figures that another implementation measured on the same data."""

import json
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.data.dataset import Catalogue, PlatformData
from clients.evaluation.ranking import evaluate
from clients.evaluation.split import leave_one_out
from clients.evaluation.summary import per_user
from clients.recommenders.base import Recommender
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.popularity import Popularity
from clients.recommenders.tfidf import TfIdf
from clients.recommenders.transitions import Transitions
from clients.recommenders.weighted_sum import ItemKNNPlusTfIdf
from simulations.datasets.folder import load_folder

REPOSITORY = Path(__file__).parents[3]
SHARED = Path(os.environ.get("ISTHMUS_SHARED", REPOSITORY.parent / "shared"))
METRICS = {"hr@10": "HR@10", "ndcg@10": "NDCG@10", "hr@20": "HR@20", "mrr": "MRR"}
ROUNDING = 6e-5


def tolerance(baseline: str, users: int) -> float:
    """How far from the published figure is as close as it can be told.

    Similar items tied at the border of the 200 neighbours were resolved arbitrarily there: up to
    four users. How the published sum scales its two parts is not known: one percentage point.
    """
    if baseline == "ItemKNN+0.5*TFIDF":
        return 0.01
    if baseline.startswith("ItemKNN"):
        return max(4.5 / users, 0.001)
    return ROUNDING + (1.0 / users if baseline.startswith("TFIDF") else 0.0)


def with_events(platform: PlatformData) -> PlatformData:
    """The platform without the items that nobody met; the published catalogue has none."""
    kept, items = np.unique(platform.histories.items, return_inverse=True)
    texts = {f.name: getattr(platform.catalogue, f.name) for f in fields(Catalogue)}
    catalogue = Catalogue(
        **{name: tuple(column[i] for i in kept) for name, column in texts.items()}
    )
    histories = replace(platform.histories, items=items.astype(np.int32))
    return replace(platform, catalogue=catalogue, histories=histories)


def models() -> dict[str, Recommender]:
    return {
        "Pop": Popularity(),
        "Markov1": Transitions(),
        "ItemKNN": ItemKNN(),
        "ItemKNN-recency0.8": ItemKNN(decay=0.8),
        "TFIDF-recency0.8": TfIdf(),
        "ItemKNN+0.5*TFIDF": ItemKNNPlusTfIdf(),
    }


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "name", ["amazon_bst_tiny", "amazon_bst_small", "ml-latest-small", "amazon_bst"]
)
def test_figures_agree_with_the_published_ones(name: str) -> None:
    folder = SHARED / "data" / name
    if not (folder / "baselines.json").exists():
        pytest.skip(f"no data in {folder}; set ISTHMUS_SHARED to the directory that holds data/")
    published: dict[str, dict[str, Any]] = json.loads((folder / "baselines.json").read_text())
    off = []
    for platform in map(with_events, load_folder(folder, seed=0).platforms):
        split = leave_one_out(platform.histories)
        expected = published[platform.name]
        assert len(split.test) == expected["users"]
        for baseline, model in models().items():
            fitted = model.fit(split.training, platform.catalogue)
            found = per_user(evaluate(fitted, split.test.contexts, split.test.targets))
            for ours, theirs in METRICS.items():
                difference = found[ours].mean() - expected[baseline][theirs]
                if abs(difference) > tolerance(baseline, len(split.test)):
                    off.append((platform.name, baseline, theirs, round(float(difference), 5)))
    assert not off
