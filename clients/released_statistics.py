"""The partners' private statistics, as one node reads them off for its own items."""

from __future__ import annotations

from dataclasses import dataclass

from clients.articles import Hashes, places_of
from clients.recommenders.base import Float32s, Storable
from clients.recommenders.pooled import PooledCounts
from shared.models.clusters import item_clusters
from shared.plan import TrainingPlan
from shared.statistics import Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatistics:
    """Released sums, and which of the node's items they are about.

    Attributes
    ----------
    plan
        Of the run that released them.
    counts
        The sums (`shared.released_counts`).
    places
        (N,) place of each item among the shared articles, -1 for others; None where clusters of
        the item space were counted.
    """

    plan: TrainingPlan
    counts: Float32s
    places: Int64s | None

    def pooled(self, vectors: Float32s) -> dict[str, Storable]:
        """Parts of the fusion, not fitted yet.

        Parameters
        ----------
        vectors
            (N, d) item vectors in the shared item space.
        """
        terms, places = self.plan.statistics, self.places
        if places is None and terms is not None:
            places = item_clusters(vectors, terms.clusters)
        if places is None:
            return {}
        found = PooledCounts.of(self.plan, self.counts, places)
        return {} if found is None else found.recommenders()

    def parts(self) -> list[bytes]:
        """What decides the result, for digests."""
        places = b"" if self.places is None else self.places.tobytes()
        return [self.plan.digest(), self.counts.tobytes(), places]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedStatistics:
    """What a release holds beside its model.

    Attributes
    ----------
    plan, counts
        As above; `counts` is empty where the plan has no statistics.
    articles
        The list of shared articles, if this node got it.
    """

    plan: TrainingPlan
    counts: Float32s
    articles: tuple[bytes, ...]

    def at_node(self, hashes: Hashes | None) -> NodeStatistics | None:
        """For items with these keyed hashes; None where nothing is known about any of them."""
        terms = self.plan.statistics
        if terms is None or not len(self.counts):
            return None
        if terms.clusters:
            return NodeStatistics(plan=self.plan, counts=self.counts, places=None)
        if hashes is None:
            return None
        places = places_of(hashes, self.articles)
        if not (places >= 0).any():
            return None
        return NodeStatistics(plan=self.plan, counts=self.counts, places=places)
