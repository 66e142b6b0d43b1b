"""Which recommenders a platform fits for itself, and what it fuses them with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from clients.data.dataset import Catalogue, Histories
from clients.evaluation.ranking import Scorer
from clients.recommenders.base import Recommender, Storable
from clients.recommenders.cold_items import ColdItems
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import COLD_PART
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.pooled import (
    POOLED_KNN,
    POOLED_POPULARITY,
    PooledItemKNN,
    PooledPopularity,
)
from clients.recommenders.popularity import Popularity
from clients.recommenders.tfidf import TfIdf
from clients.recommenders.transitions import Transitions

POPULAR_PART: Final = "recent_popularity"
MODEL_PART: Final = "behaviour_lstm"
"""The node's own LSTM, trained on its own data alone."""
UNTRAINED_PART: Final = "untrained_lstm"
"""The LSTM at its public first weights: nobody needs a federation for it, and beside a node's own
model it helps. Without it on both sides that help would be taken for the federation's."""
CONTENT_PART: Final = "content_vae_gan"
"""The node's own content model, trained on its own data alone."""
RELEASED_PART: Final = "released_lstm"
FEDERATED_CONTENT_PART: Final = "federated_content_vae_gan"
FEDERATED_PARTS: Final = (RELEASED_PART, FEDERATED_CONTENT_PART)
"""What a federated release adds: its LSTM as it was released, its content model fine-tuned here."""

LOCAL_PARTS: Final[dict[str, Callable[[], Storable]]] = {
    POPULAR_PART: lambda: Popularity(half_life=1.0),
    "transitions": Transitions,
    "recent_item_knn": lambda: ItemKNN(decay=0.8),
    "tfidf": TfIdf,
    COLD_PART: ColdItems,
}
"""Parts of the fusion beside the behaviour model; see docs/evaluation.md for their choice."""
POOLED_PARTS: Final[dict[str, Callable[[], Storable]]] = {
    POOLED_POPULARITY: PooledPopularity,
    POOLED_KNN: PooledItemKNN,
}
"""What a federation's private statistics add, where the release has some."""


JOINED_PARTS: Final = frozenset({*FEDERATED_PARTS, *POOLED_PARTS})
"""All that a platform's fusion has from others."""


def fit_local_parts(histories: Histories, catalogue: Catalogue) -> dict[str, Storable]:
    """All of `LOCAL_PARTS`, fitted on `histories`."""
    return {name: make().fit(histories, catalogue) for name, make in LOCAL_PARTS.items()}


def fusion_parts(local: Mapping[str, Recommender], models: Mapping[str, Scorer]) -> dict[str, Part]:
    """Parts of a platform's fusion.

    Parameters
    ----------
    local
        Fitted local parts.
    models
        Behaviour and content models by part.
    """
    shares = {
        name: Part(recommender, "offset" if name == COLD_PART else "shares")
        for name, recommender in local.items()
    }
    return {**shares, **{name: Part(model, "logits") for name, model in models.items()}}
