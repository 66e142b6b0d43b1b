"""Counting shared articles in the lab: keys, lists, releases, and what nodes learn from them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from clients.recommenders.base import Recommender
from clients.recommenders.pooled import PooledItemKNN, PooledPopularity
from clients.rounds import Node
from clients.statistics import article_places, hashed_articles, read_article_key
from shared.files import write_atomically
from shared.models.clusters import item_clusters
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
            rank = np.full(len(self.popularity) + 1, -1, dtype=np.int64)  # the last is for -1
            rank[self.frequent] = np.arange(len(self.frequent))
            wanted = self.popularity[self.frequent]
            found[POOLED_KNN] = PooledItemKNN(self.pairs, wanted, rank[self.places])
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
    vectors
        Item vectors of each platform; their clusters are counted where the terms ask for clusters.
    """

    def __init__(
        self,
        directory: Path,
        terms: StatisticsTerms,
        names: Sequence[str],
        public_ids: Sequence[Sequence[str]],
        colluders: int,
        vectors: Sequence[NDArray[np.float32]] = (),
    ) -> None:
        self._path, self._names = directory / "statistics.safetensors", names
        if terms.clusters:
            self._places = [item_clusters(one, terms.clusters) for one in vectors]
            self.terms = terms
            return
        key = _key(directory / "article.key")
        hashes = [hashed_articles(key, ids) for ids in public_ids]
        articles = shared_articles(hashes, colluders)
        found = {"articles": articles_digest(articles), "article_count": len(articles)}
        self.terms = terms.model_copy(update=found)
        self._places = [article_places(self.terms, one, articles) for one in hashes]

    def release(self, plan: TrainingPlan, nodes: Mapping[int, Node]) -> dict[str, PooledCounts]:
        """Run the releases of `plan` unless that was done; by platform, what its node learns."""
        if not self._path.exists():
            self._store(run_statistics(plan, nodes, dict(enumerate(self._places, start=1))))
        kept = load_file(self._path)
        return {
            name: PooledCounts(
                popularity=kept["popularity"],
                places=places,
                frequent=kept["frequent"],
                pairs=kept["pairs"],
            )
            for name, places in zip(self._names, self._places, strict=True)
        }

    def _store(self, released: ReleasedStatistics) -> None:
        count = len(released.frequent)
        pairs = np.zeros((count, count))
        if count:
            clusters, deviation = bool(self.terms.clusters), released.pairs_deviation
            pairs = pair_matrix(released.pairs, count, deviation, diagonal=clusters)
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
