"""The systems that need no training: what a platform can do alone, in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from clients.data.dataset import Histories
from clients.evaluation.ranking import Scorer
from clients.recommenders.base import Recommender
from clients.recommenders.fusion import Part
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.popularity import Popularity
from clients.recommenders.tfidf import TfIdf
from clients.recommenders.transitions import Transitions
from clients.recommenders.weighted_sum import ItemKNNPlusTfIdf
from simulations.platforms import LabPlatform
from simulations.results import SystemName

BASELINES: Final[dict[SystemName, Callable[[], Recommender]]] = {
    "popularity": Popularity,
    "transitions": Transitions,
    "item_knn": ItemKNN,
    "tfidf": TfIdf,
    "item_knn_tfidf": ItemKNNPlusTfIdf,
}

LOCAL_PARTS: Final[dict[str, Callable[[], Recommender]]] = {
    "popularity": Popularity,
    "transitions": Transitions,
    "item_knn": ItemKNN,
    "recent_item_knn": lambda: ItemKNN(decay=0.8),
    "tfidf": TfIdf,
}
"""Parts of the fusion beside the behaviour model."""

MODEL_PART: Final = "behaviour_lstm"


def fitted(system: SystemName, platform: LabPlatform) -> Recommender:
    """A baseline fitted on everything before the test items."""
    return BASELINES[system]().fit(before_test(platform), platform.catalogue)


def fusion_parts(platform: LabPlatform, model: Scorer, *, final: bool) -> dict[str, Part]:
    """Parts of the fusion of one platform.

    Parameters
    ----------
    model
        The personal behaviour model.
    final
        Fit the local parts on everything before the test items; else without the validation items,
        as learning weights requires.
    """
    histories = before_test(platform) if final else platform.split.training
    parts = {
        name: Part(make().fit(histories, platform.catalogue), "shares")
        for name, make in LOCAL_PARTS.items()
    }
    return {**parts, MODEL_PART: Part(model, "logits")}


def before_test(platform: LabPlatform) -> Histories:
    """Every user's events before its test item; all events of users that are not evaluated."""
    everything, test = platform.data.histories, platform.split.test.contexts
    lengths = dict(zip(test.users, test.lengths.tolist(), strict=True))
    kept = [lengths.get(u, n) for u, n in zip(everything.users, everything.lengths, strict=True)]
    return everything.first(np.asarray(kept, dtype=np.int64))
