"""What the federation's private statistics add to a node's own counts, as recommenders.

They are fitted like the others, on the node's own data, but score with released sums over all
partners' users (`shared.statistics`): post-processing, so they cost no further privacy. What is
said here of articles holds for clusters of the item space, of which a node has several items each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy import sparse

from clients.data.dataset import Catalogue, Histories
from clients.recommenders.base import (
    BACK_OFF,
    Arrays,
    Evidence,
    Float32s,
    Storable,
    event_weights,
    history_matrix,
    relative_popularity,
)
from clients.recommenders.errors import NotFittedError
from clients.recommenders.lookup import Base, SparseLookup, sum_of_rows
from clients.recommenders.popularity import Popularity
from shared.plan import TrainingPlan
from shared.released_counts import believed_pairs, frequent_places, released
from shared.statistics import Float64s, Int64s, rank_among

POOLED_POPULARITY: Final = "partners_popularity"
POOLED_KNN: Final = "partners_item_knn"


class PooledPopularity(Popularity):
    """Scores an item by its released popularity; items that the partners do not share score 0.

    Parameters
    ----------
    popularity
        (A,) released popularity of the shared articles; that of a cluster is divided among the
        items that this node has of it.
    places
        (N,) place of each item among them, -1 for items of this node alone.
    """

    def __init__(self, popularity: Float64s | None = None, places: Int64s | None = None) -> None:
        super().__init__()
        self._popularity, self._places = popularity, places

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Look up the catalogue's items; nothing of `histories` is read."""
        if self._popularity is None or self._places is None:
            raise NotFittedError("there is no released popularity to look up")
        carried = self._places[self._places >= 0]
        items = np.bincount(carried, minlength=len(self._popularity))
        each = np.maximum(self._popularity, 0.0) / np.maximum(items, 1)
        values = np.append(each, 0.0)[self._places]  # the last one is for -1
        scores = (values / max(values.max(initial=0.0), 1e-12)).astype(np.float32)
        return self.restore({"scores": scores})


@dataclass(slots=True)
class _Pairs:
    """What `PooledItemKNN` knows.

    Attributes
    ----------
    similarities
        (F, F) of the articles whose pairs were counted.
    places
        (N,) place of each item among them, -1 for others.
    back_off
        (N,) what breaks ties.
    """

    similarities: Float32s
    places: Int64s
    back_off: Float32s

    @property
    def belongs(self) -> sparse.csr_array:
        """(F, N) which items are an article."""
        carried = np.flatnonzero(self.places >= 0)
        entries = (np.ones(len(carried), np.float32), (self.places[carried], carried))
        return sparse.csr_array(entries, shape=(len(self.similarities), len(self.places)))


class PooledItemKNN:
    """Item kNN whose similarities are released pair counts of the most wanted shared articles.

    The similarity of two articles is ``pairs / sqrt(popularity * popularity)``; pairs that noise
    alone may have made are zero already.

    Parameters
    ----------
    pairs
        (F, F) symmetric, not negative.
    popularity
        (F,) released popularity of the same articles.
    places
        (N,) place of each item of this node among them, -1 for others.
    decay
        Weight ``decay ** age`` of an item of the history, age 0 for the latest.
    """

    def __init__(
        self,
        pairs: Float64s | None = None,
        popularity: Float64s | None = None,
        places: Int64s | None = None,
        *,
        decay: float = 0.8,
    ) -> None:
        self._pairs, self._popularity, self._places = pairs, popularity, places
        self.decay = decay
        self._known: _Pairs | None = None
        self._index: tuple[Base, sparse.csr_array] | None = None

    def fit(self, histories: Histories, catalogue: Catalogue) -> Self:
        """Histories only break ties."""
        if self._pairs is None or self._popularity is None or self._places is None:
            raise NotFittedError("there are no released pairs to look up")
        scale = np.sqrt(np.maximum(self._popularity, 1.0))
        similarities = (self._pairs / np.outer(scale, scale)).astype(np.float32)
        back_off = np.float32(BACK_OFF) * relative_popularity(histories, len(catalogue))
        self._known, self._index = _Pairs(similarities, self._places, back_off), None
        return self

    def state(self) -> Arrays:
        """See `Storable`."""
        known = self._fitted()
        return {
            "similarities": known.similarities,
            "places": known.places,
            "back_off": known.back_off,
        }

    def restore(self, state: Arrays) -> Self:
        """See `Storable`."""
        self._known = _Pairs(state["similarities"], state["places"], state["back_off"])
        self._index = None
        return self

    def scores(self, histories: Histories) -> Float32s:
        """(B, N) similarity of each item to each history."""
        known = self._fitted()
        weights = history_matrix(histories, len(known.back_off), self.decay).astype(np.float32)
        wanted = (weights @ known.belongs.T) @ known.similarities
        return np.asarray((known.belongs.T @ wanted.T).T + known.back_off, dtype=np.float32)

    def lookup(self, history: Histories, /) -> SparseLookup:
        """See `Retrieving`: the items of the articles that the history's articles go with."""
        known = self._fitted()
        self._index = self._index or (Base.of(known.back_off), known.belongs)
        base, belongs = self._index
        met = history_matrix(history, len(known.back_off), self.decay)
        places = known.places[met.indices]
        weights = met.data[places >= 0].astype(np.float32)
        wanted = weights @ known.similarities[places[places >= 0]]
        articles = np.flatnonzero(wanted)
        return SparseLookup(base, *sum_of_rows(belongs, articles, wanted[articles]))

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """Weighted similarity of each target to each item of the history."""
        known = self._fitted()
        size = len(known.similarities)
        padded = np.zeros((size + 1, size + 1))  # the last ones are for -1
        padded[:size, :size] = known.similarities
        similar = padded[np.ix_(known.places[targets], known.places[history.items])]
        weights = event_weights(history, self.decay)
        return Evidence(similar * weights, known.back_off[targets].astype(np.float64))

    def _fitted(self) -> _Pairs:
        if self._known is None:
            raise NotFittedError("pooled item kNN is not fitted")
        return self._known


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

    @classmethod
    def of(cls, plan: TrainingPlan, counts: Float32s, places: Int64s) -> PooledCounts | None:
        """From the released statistics of a run (`shared.released_counts`); None without any.

        Parameters
        ----------
        places
            As above.
        """
        popularity = released(plan, counts, "popularity")
        if popularity is None:
            return None
        return cls(
            popularity=popularity.vector.astype(np.float64),
            places=places,
            frequent=frequent_places(plan, counts),
            pairs=believed_pairs(plan, counts),
        )

    def recommenders(self) -> dict[str, Storable]:
        """Parts of a fusion, not fitted yet; item kNN only where some pairs are believed."""
        found: dict[str, Storable] = {
            POOLED_POPULARITY: PooledPopularity(self.popularity, self.places)
        }
        if self.pairs.any():
            places = rank_among(self.frequent, len(self.popularity))[self.places]
            wanted = self.popularity[self.frequent]
            found[POOLED_KNN] = PooledItemKNN(self.pairs, wanted, places)
        return found
