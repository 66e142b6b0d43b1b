"""The systems that need no training: what a platform can do alone, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from clients.evaluation.ranking import Scorer
from clients.recommenders.base import Recommender
from clients.recommenders.distributions import Part
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.local_parts import JOINED_PARTS, LOCAL_PARTS
from clients.recommenders.local_parts import fusion_parts as node_parts
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

PERSONAL_PART: Final = "federated_lstm"
"""The federation's LSTM, fine-tuned at the node."""
JOINED: Final = JOINED_PARTS | {PERSONAL_PART}
"""All parts of a fusion that a platform has from the federation."""


def fitted(system: SystemName, platform: LabPlatform) -> Recommender:
    """A baseline fitted on the training part, as every system is."""
    return BASELINES[system]().fit(platform.split.training, platform.catalogue)


def fusion_parts(
    platform: LabPlatform,
    models: Mapping[str, Scorer],
    pooled: Mapping[str, Recommender] = MappingProxyType({}),
) -> dict[str, Part]:
    """Parts of the fusion of one platform.

    Parameters
    ----------
    models
        Behaviour and content models by part.
    pooled
        Recommenders of the federation's statistics, not fitted yet.
    """
    unfitted = {name: make() for name, make in LOCAL_PARTS.items()} | dict(pooled)
    training, catalogue = platform.split.training, platform.catalogue
    local = {name: one.fit(training, catalogue) for name, one in unfitted.items()}
    return node_parts(local, models)
