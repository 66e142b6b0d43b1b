"""Which of the things that a plan counts each item of a catalogue is.

Counting, reading released sums and telling what a federation looks like all ask this, at a node and
in the lab.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clients.articles import Hashes, NoPublicIdsError, OtherArticlesError, places_of
from shared.models.clusters import item_clusters
from shared.statistics import Float32s, Int64s, StatisticsTerms, articles_digest


def counted_places(
    terms: StatisticsTerms, articles: Sequence[bytes], hashes: Hashes | None, vectors: Float32s
) -> Int64s:
    """(N,) place of each item among the shared articles or clusters of `terms`, -1 for others.

    Parameters
    ----------
    articles
        The shared articles, in the plan's order; not looked at where clusters are counted.
    hashes
        Those of the items' public ids, by item index; None where there are none.
    vectors
        (N, d) item vectors in the shared item space; looked at where clusters are counted.

    Raises
    ------
    NoPublicIdsError
        Articles are counted, but there are no `hashes`.
    OtherArticlesError
        `articles` is not the list that the plan fixes.
    """
    if terms.clusters:
        return item_clusters(vectors, terms.clusters)
    if hashes is None:
        raise NoPublicIdsError("shared articles are counted, the items here have no public ids")
    if len(articles) != terms.article_count or articles_digest(articles) != terms.articles:
        raise OtherArticlesError(f"a list of {len(articles)} articles with another digest")
    return places_of(hashes, articles)


def carried_share(
    terms: StatisticsTerms | None, articles: Sequence[bytes], hashes: Hashes | None
) -> float | None:
    """Share of a catalogue that is among the shared articles; None where it was never compared.

    Parameters
    ----------
    terms, articles, hashes
        As above; without articles where this node never got the list.

    Raises
    ------
    OtherArticlesError
    """
    if terms is None or terms.clusters or hashes is None or not len(hashes):
        return None
    if terms.article_count and not articles:
        return None
    nothing = np.empty((0, 0), dtype=np.float32)
    return float((counted_places(terms, articles, hashes, nothing) >= 0).mean())
