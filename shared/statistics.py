"""Private one-shot statistics of a federation: which articles are wanted, and which together.

Several shops sell many of the same articles. What the customers of all of them bought is exactly
what a small shop's own counts lack, and one noisy sum of counts carries it at a small cost:

* **popularity** (first release): of each shared article, its events, recent ones weighing more;
* **pairs** (second release): how many customers met two articles both, among the `frequent`
  articles that the first release found in greatest demand.

Partners that share no articles count public clusters of the item space instead
(`shared.models.clusters`), and of pairs those within a cluster as well.

Each user's contribution to each release has an L2 norm of at most 1, partners add noise and mask,
and only the sum is opened. Neighbouring: one user at one platform, add or remove; a release is one
Gaussian mechanism with sample rate 1, charged inside the plan's epsilon
(`shared.statistics_session`). Articles are
those that at least c + 2 partners carry, found by comparing keyed hashes: the key is agreed among
the partners out of band, so the coordinator counts hashes that it cannot open.

Everything here is pure; see `clients.statistics` for a node's side.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from shared.config import StrictModel
from shared.hashing import digest
from shared.privacy.accounting import Mechanism

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]
Articles = NDArray[np.uint64]
"""(2 A,) keyed hashes of A articles, as they travel."""

ReleaseName = Literal["popularity", "pairs"]
ARTICLE_BYTES: Final = 16
KEY_BYTES: Final = 32
THRESHOLD: Final = 4.0
"""Standard deviations of noise that a pair's count must exceed to be believed."""


class StatisticsTerms(StrictModel):
    """What is counted, and how privately; part of the plan."""

    noise_multiplier: Annotated[float, Field(gt=0, le=1000)] = 2.0
    """Noise of each release in units of one user's largest contribution."""
    half_life: Annotated[float, Field(gt=0)] = 1.0
    """Events of a user count half as much after this many later ones."""
    frequent: Annotated[int, Field(ge=0, le=2000)] = 1000
    """Articles whose pairs are counted; 0 leaves the second release out."""
    articles: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """SHA-256 of the list of shared articles that all partners count (see `articles_digest`)."""
    article_count: Annotated[int, Field(ge=0, le=2_000_000)] = 0
    """Length of that list."""
    clusters: Annotated[int, Field(ge=0, le=1000, exclude_if=lambda value: not value)] = 0
    """Clusters of the item space that are counted in place of articles; 0 counts articles."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.clusters and (self.articles or self.article_count):
            raise ValueError("count articles or clusters, not both")
        return self

    @property
    def cells(self) -> int:
        """What is counted: articles or clusters."""
        return self.clusters or self.article_count

    @property
    def releases(self) -> tuple[ReleaseName, ...]:
        """What is released, in this order; nothing where nothing is shared."""
        if not self.cells:
            return ()
        return ("popularity", "pairs") if self.pair_cells > 1 else ("popularity",)

    @property
    def pair_cells(self) -> int:
        """Articles or clusters whose pairs are counted: `frequent` of the articles at most."""
        if self.clusters:
            return self.clusters if self.frequent else 0
        return min(self.frequent, self.article_count)

    def length(self, release: ReleaseName) -> int:
        """Numbers in a release."""
        count = self.pair_cells
        if release == "popularity":
            return self.cells
        return count * (count + 1) // 2 if self.clusters else count * (count - 1) // 2

    def mechanism(self) -> Mechanism:
        """What each release costs a partner that adds the noise itself."""
        return Mechanism(noise_multiplier=self.noise_multiplier, sample_rate=1.0, steps=1)


def article_hash(key: bytes, public_id: str) -> bytes:
    """Keyed hash (16 bytes) of an article's public id; spaces and case do not matter.

    Parameters
    ----------
    key
        `KEY_BYTES` secret bytes, the same at all partners and unknown to the coordinator.
    """
    text = "".join(public_id.split()).casefold().encode()
    return hmac.digest(key, b"isthmus article 1\0" + text, "sha256")[:ARTICLE_BYTES]


def shared_articles(lists: Iterable[Iterable[bytes]], colluders: int) -> tuple[bytes, ...]:
    """Hashes, sorted, in the lists of at least `colluders` + 2 partners.

    Fewer partners could subtract their own counts and be left with those of one other.
    """
    counts = Counter(article for one in lists for article in set(one))
    return tuple(sorted(a for a, carriers in counts.items() if carriers >= colluders + 2))


def articles_digest(articles: Sequence[bytes]) -> str:
    """SHA-256 (hex) of a list of shared articles, in its order."""
    return digest("isthmus articles 1", *articles).hex()


def packed_articles(data: bytes) -> Articles | None:
    """Hashes, one after the other, as they travel; None if these are no whole hashes."""
    return None if len(data) % ARTICLE_BYTES else np.frombuffer(data, dtype="<u8")


def unpacked_articles(packed: Articles) -> list[bytes]:
    """The hashes in a vector that travelled."""
    data = packed.astype("<u8").tobytes()
    return [data[at : at + ARTICLE_BYTES] for at in range(0, len(data), ARTICLE_BYTES)]


def popularity_sum(offsets: Int64s, places: Int64s, length: int, half_life: float) -> Float64s:
    """(length,) popularity of shared articles among one partner's users, each clipped to norm 1.

    Parameters
    ----------
    offsets
        (U + 1,) user u owns events ``offsets[u]:offsets[u + 1]``, oldest first.
    places
        (E,) place of each event's article in the list of shared articles, -1 for others.
    """
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    ages = np.repeat(offsets[1:], np.diff(offsets)) - 1 - np.arange(len(places))
    known = places >= 0
    cells = users[known] * np.int64(length) + places[known]
    cells, inverse = np.unique(cells, return_inverse=True)
    weights = np.bincount(inverse, weights=0.5 ** (ages[known] / half_life)).astype(np.float64)
    return _clipped_sum(cells // max(length, 1), cells % max(length, 1), weights, length)


def pair_sum(offsets: Int64s, places: Int64s, count: int) -> Float64s:
    """(count * (count - 1) / 2,) users who met both articles of each pair, each clipped to norm 1.

    Parameters
    ----------
    offsets, places
        As for `popularity_sum`; places below `count`.

    Returns
    -------
    Float64s
        Upper triangle without diagonal, row after row.
    """
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    known = places >= 0
    met = np.unique(users[known] * np.int64(count) + places[known])
    owner, place = met // max(count, 1), met % max(count, 1)
    first, second = _pairs_within(owner)
    cells = _triangle(place[first], place[second], count)
    weights = np.ones(len(cells))
    return _clipped_sum(owner[first], cells, weights, count * (count - 1) // 2)


def cluster_pair_sum(offsets: Int64s, items: Int64s, clusters: Int64s, count: int) -> Float64s:
    """(count * (count + 1) / 2,) users who met different items of both clusters of each pair.

    Parameters
    ----------
    offsets
        As for `popularity_sum`.
    items
        (E,) item of each event.
    clusters
        (N,) cluster of each item, -1 for items of none.

    Returns
    -------
    Float64s
        Upper triangle with diagonal, row after row; each user clipped to norm 1.
    """
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    known = clusters[items] >= 0
    met = np.unique(users[known] * np.int64(len(clusters)) + items[known])
    owner, place = met // max(len(clusters), 1), clusters[met % max(len(clusters), 1)]
    first, second = _pairs_within(owner)
    low = np.minimum(place[first], place[second])
    high = np.maximum(place[first], place[second])
    length = count * (count + 1) // 2
    cells = np.unique(owner[first] * length + low * count - low * (low - 1) // 2 + high - low)
    return _clipped_sum(cells // length, cells % length, np.ones(len(cells)), length)


def most_wanted(popularity: Float64s, count: int) -> Int64s:
    """Places of the `count` articles of greatest released popularity, in order of place."""
    order = np.argsort(-popularity, kind="stable")[:count]
    return np.sort(order).astype(np.int64)


def rank_among(places: Int64s, length: int) -> Int64s:
    """(length + 1,) rank of each of `length` places among `places`, -1 for others.

    The last one is for no place, -1.
    """
    rank = np.full(length + 1, -1, dtype=np.int64)
    rank[places] = np.arange(len(places))
    return rank


def pair_matrix(
    released: Float64s, count: int, deviation: float, *, diagonal: bool = False
) -> Float64s:
    """(count, count) symmetric matrix of pairs; what noise alone may have made is zero.

    Parameters
    ----------
    released
        What `pair_sum` of all partners and the noise add up to.
    deviation
        Standard deviation of the noise in it.
    diagonal
        `released` is of `cluster_pair_sum`.
    """
    believed = np.where(released > THRESHOLD * deviation, released, 0.0)
    matrix = np.zeros((count, count))
    matrix[np.triu_indices(count, 0 if diagonal else 1)] = believed
    return matrix + np.triu(matrix, 1).T


def _clipped_sum(users: Int64s, cells: Int64s, weights: Float64s, length: int) -> Float64s:
    """Sum of the users' sparse vectors, each scaled down to an L2 norm of at most 1."""
    norms = np.sqrt(np.bincount(users, weights=weights**2))
    scaled = weights / np.maximum(norms, 1.0)[users] if len(users) else weights
    return np.bincount(cells, weights=scaled, minlength=length).astype(np.float64)


def _pairs_within(owner: Int64s) -> tuple[Int64s, Int64s]:
    """Row numbers of all pairs of rows, first before second, that have the same (sorted) owner."""
    rows = np.arange(len(owner))
    ends = np.searchsorted(owner, owner, side="right")
    later = ends - rows - 1
    first = np.repeat(rows, later)
    starts = np.repeat(np.cumsum(later) - later, later)
    second = first + 1 + np.arange(len(first)) - starts
    return first, second


def _triangle(low: Int64s, high: Int64s, count: int) -> Int64s:
    """Place of the pair (low, high), low < high, in the upper triangle."""
    return low * count - low * (low + 1) // 2 + high - low - 1
