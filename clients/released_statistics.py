"""The partners' private statistics, as one node reads them off for its own items."""

from __future__ import annotations

from dataclasses import dataclass

from clients.articles import Hashes
from clients.counted_places import carried_share, counted_places
from clients.recommenders.base import Float32s, Storable
from clients.recommenders.pooled import PooledCounts
from shared.plan import TrainingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedStatistics:
    """What a release holds beside its model.

    Attributes
    ----------
    plan
        Of the run that released them.
    counts
        The sums (`shared.released_counts`); empty where the plan has no statistics.
    articles
        The list of shared articles, if this node got it.
    hashes
        (N, 16) keyed hash of each item's public id, if this node compares articles.
    """

    plan: TrainingPlan
    counts: Float32s
    articles: tuple[bytes, ...]
    hashes: Hashes | None = None

    def pooled(self, vectors: Float32s) -> dict[str, Storable]:
        """Parts of the fusion, not fitted yet; none where nothing is known about any item.

        Parameters
        ----------
        vectors
            (N, d) item vectors in the shared item space.

        Raises
        ------
        OtherArticlesError
            `articles` is not the list of the plan.
        """
        terms = self.plan.statistics
        if terms is None or not len(self.counts):
            return {}
        if not terms.clusters and (self.hashes is None or not self.articles):
            return {}
        places = counted_places(terms, self.articles, self.hashes, vectors)
        found = PooledCounts.of(self.plan, self.counts, places)
        return {} if found is None or not (places >= 0).any() else found.recommenders()

    @property
    def shared(self) -> float | None:
        """Share of this node's catalogue that enough partners carry; None if never compared.

        Raises
        ------
        OtherArticlesError
        """
        return carried_share(self.plan.statistics, self.articles, self.hashes)

    def parts(self) -> list[bytes]:
        """What decides the result, for digests."""
        hashes = b"" if self.hashes is None else self.hashes.tobytes()
        return [self.plan.digest(), self.counts.tobytes(), b"".join(self.articles), hashes]
