"""Counting shared articles in the lab: keys, lists, releases, and what nodes learn from them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load_file, save

from clients.recommenders.base import Recommender
from clients.recommenders.pooled import PooledItemKNN, PooledPopularity
from clients.rounds import Node
from clients.statistics import hashed_articles, places_of, read_article_key
from shared.files import write_atomically
from shared.plan import TrainingPlan
from shared.statistics import (
    KEY_BYTES,
    Float64s,
    Int64s,
    StatisticsTerms,
    articles_digest,
    pair_matrix,
    shared_articles,
)
from simulations.statistics_round import ReleasedStatistics, run_statistics

POOLED_POPULARITY: Final = "partners_popularity"
POOLED_KNN: Final = "partners_item_knn"


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledCounts:
    """What one node makes of the released statistics.

    Attributes
    ----------
    popularity
        (A,) released popularity of the shared articles.
    places
        (N,) place of each item of this node among them, -1 for its own.
    frequent
        (F,) places of the articles whose pairs were counted.
    pairs
        (F, F) pairs that are believed.
    """

    popularity: Float64s
    places: Int64s
    frequent: Int64s
    pairs: Float64s

    def recommenders(self) -> dict[str, Recommender]:
        """Parts of the fusion, not fitted yet."""
        found: dict[str, Recommender] = {
            POOLED_POPULARITY: PooledPopularity(self.popularity, self.places)
        }
        if self.pairs.any():
            items = np.full(len(self.popularity), -1, dtype=np.int64)
            carried = np.flatnonzero(self.places >= 0)
            items[self.places[carried]] = carried
            wanted = self.popularity[self.frequent]
            found[POOLED_KNN] = PooledItemKNN(self.pairs, wanted, items[self.frequent])
        return found


class Counting:
    """The statistics of one federated run below one directory; released once, then read.

    Parameters
    ----------
    directory
        Where key and released sums stand.
    terms
        What is counted.
    names
        Platforms, in the order of partner ids from 1.
    public_ids
        Public id of each item of each platform.
    colluders
        Partners that may collude, from the plan.
    """

    def __init__(
        self,
        directory: Path,
        terms: StatisticsTerms,
        names: Sequence[str],
        public_ids: Sequence[Sequence[str]],
        colluders: int,
    ) -> None:
        key = _key(directory / "article.key")
        self._path, self._names = directory / "statistics.safetensors", names
        self._hashes = [hashed_articles(key, ids) for ids in public_ids]
        self._articles = shared_articles(self._hashes, colluders)
        self.terms = terms.model_copy(
            update={
                "articles": articles_digest(self._articles),
                "article_count": len(self._articles),
            }
        )

    def release(self, plan: TrainingPlan, nodes: Mapping[int, Node]) -> dict[str, PooledCounts]:
        """Run the releases of `plan` unless that was done; by platform, what its node learns."""
        if not self._path.exists():
            hashes = dict(enumerate(self._hashes, start=1))
            self._store(run_statistics(plan, nodes, hashes, self._articles))
        kept = load_file(self._path)
        return {
            name: PooledCounts(
                popularity=kept["popularity"],
                places=places_of(hashes, self._articles),
                frequent=kept["frequent"],
                pairs=kept["pairs"],
            )
            for name, hashes in zip(self._names, self._hashes, strict=True)
        }

    def _store(self, released: ReleasedStatistics) -> None:
        count = len(released.frequent)
        pairs = np.zeros((count, count))
        if count:
            pairs = pair_matrix(released.pairs, count, released.pairs_deviation)
        tensors = {
            "popularity": released.popularity,
            "frequent": released.frequent,
            "pairs": pairs,
        }
        write_atomically(self._path, save(tensors))


def _key(path: Path) -> bytes:
    """The key that the partners agreed on; in the lab it is drawn here."""
    if not path.exists():
        write_atomically(path, secrets.token_bytes(KEY_BYTES), private=True)
    return read_article_key(path)
