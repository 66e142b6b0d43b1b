"""Counting shared articles in the lab: the partners' key, and the list that they agree on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clients.articles import hashed_articles, listed, read_article_key
from clients.counted_places import counted_places
from clients.node_data import TrainingData
from shared.files import write_atomically
from shared.statistics import (
    KEY_BYTES,
    Int64s,
    StatisticsTerms,
    articles_digest,
    shared_articles,
)


class Counting:
    """What the platforms of one federated run count.

    Parameters
    ----------
    directory
        Where the key stands.
    terms
        What is counted; the list of articles is filled in.
    data
        What each platform trains on.
    public_ids
        Public id of each item of each platform.
    colluders
        Partners that may collude, from the plan.
    """

    def __init__(
        self,
        directory: Path,
        terms: StatisticsTerms,
        data: Sequence[TrainingData],
        public_ids: Sequence[Sequence[str]],
        colluders: int,
    ) -> None:
        self.articles: tuple[bytes, ...] = ()
        self.terms, self.data = terms, list(data)
        if terms.clusters:
            return
        key = _key(directory / "article.key")
        hashes = [hashed_articles(key, ids) for ids in public_ids]
        self.articles = shared_articles(map(listed, hashes), colluders)
        found = {"articles": articles_digest(self.articles), "article_count": len(self.articles)}
        self.terms = terms.model_copy(update=found)
        self.data = [replace(one, hashes=own) for one, own in zip(data, hashes, strict=True)]

    def places(self, index: int) -> Int64s:
        """(N,) place of each item of a platform among what is counted, -1 for others."""
        data = self.data[index]
        return counted_places(self.terms, self.articles, data.hashes, data.vectors)


def _key(path: Path) -> bytes:
    """The key that the partners agreed on; in the lab it is drawn here."""
    if not path.exists():
        write_atomically(path, secrets.token_bytes(KEY_BYTES), private=True)
    return read_article_key(path)
