"""A small shop for the tests of ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from clients.data.dataset import Catalogue, Float64s
from clients.ranking.config import RankingConfig
from clients.ranking.facts import ItemFacts
from clients.ranking.rank import Candidates
from clients.ranking.request import FEEDBACK_KINDS, Feedback

NOW = 1_000_000_000.0
DAY = 86_400.0
PLAIN = RankingConfig()


def facts(
    items: int,
    *,
    config: RankingConfig = PLAIN,
    categories: Sequence[str] | None = None,
    columns: Mapping[str, Sequence[object]] | None = None,
    vectors: np.ndarray | None = None,
    added: Float64s | None = None,
) -> ItemFacts:
    """Items ``i0``, ``i1``, ... with random vectors unless some are given."""
    catalogue = Catalogue(
        item_ids=tuple(f"i{n}" for n in range(items)),
        titles=tuple(f"Title {n}" for n in range(items)),
        categories=tuple(categories or [""] * items),
        descriptions=("",) * items,
    )
    if vectors is None:
        vectors = np.random.default_rng(items).normal(size=(items, 8))
    named = dict(columns or {})
    if added is not None:
        freshness = config.freshness.model_copy(update={"attribute": "added"})
        config = config.model_copy(update={"freshness": freshness})
        named["added"] = [None if np.isnan(value) else value for value in added]
    return ItemFacts.of(catalogue, vectors.astype(np.float32), config, named)


def candidates(*scores: float) -> Candidates:
    """All items, with these scores."""
    return Candidates(np.arange(len(scores)), np.array(scores, dtype=np.float64))


def feedback(*rows: tuple[int, str, float]) -> Feedback:
    """Reactions: item, kind, days ago."""
    return Feedback(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([FEEDBACK_KINDS.index(row[1]) for row in rows], dtype=np.int64),
        np.array([NOW - row[2] * DAY for row in rows]),
    )
