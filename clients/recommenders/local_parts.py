"""Which recommenders a platform fits for itself and fuses with its behaviour model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clients.data.dataset import Catalogue, Histories
from clients.evaluation.ranking import Scorer
from clients.recommenders.base import Storable
from clients.recommenders.distributions import Part
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.popularity import Popularity
from clients.recommenders.tfidf import TfIdf
from clients.recommenders.transitions import Transitions

POPULAR_PART: Final = "recent_popularity"
MODEL_PART: Final = "behaviour_lstm"

LOCAL_PARTS: Final[dict[str, Callable[[], Storable]]] = {
    POPULAR_PART: lambda: Popularity(half_life=1.0),
    "transitions": Transitions,
    "recent_item_knn": lambda: ItemKNN(decay=0.8),
    "tfidf": TfIdf,
}
"""Parts of the fusion beside the behaviour model; see docs/evaluation.md for their choice."""


def fit_local_parts(histories: Histories, catalogue: Catalogue) -> dict[str, Storable]:
    """All of `LOCAL_PARTS`, fitted on `histories`."""
    return {name: make().fit(histories, catalogue) for name, make in LOCAL_PARTS.items()}


def fusion_parts(local: dict[str, Storable], model: Scorer) -> dict[str, Part]:
    """Parts of a platform's fusion.

    Parameters
    ----------
    local
        Fitted local parts.
    model
        The personal behaviour model.
    """
    shares = {name: Part(recommender, "shares") for name, recommender in local.items()}
    return {**shares, MODEL_PART: Part(model, "logits")}
