"""What a node's articles are called among the partners: keyed hashes of their public ids.

Partners carry the same article under numbers of their own but one public id (GTIN, ISBN, course
code). They compare hashes of it under a key that they agree on without the coordinator, so that it
counts hashes which it cannot open.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import FederationError, PrivacyError
from shared.statistics import ARTICLE_BYTES, KEY_BYTES, Int64s, article_hash

Hashes = NDArray[np.uint8]
"""(N, 16) keyed hash of each item; zeros for an item without a public id."""
PUBLIC_ID: Final = "public_id"
"""Name of the further item column that holds public ids, see docs/data.md."""


class OtherArticlesError(PrivacyError):
    """The list of shared articles is not the one that the plan fixes."""

    code = "PRIV-301"
    default_remedy = "get the list that belongs to this plan; counts would be added up wrongly"


class ArticleKeyError(PrivacyError):
    """The key under which partners compare articles is missing, too short or readable by others."""

    code = "PRIV-302"
    default_remedy = "agree on 32 random bytes among the partners, without the coordinator"


class NoPublicIdsError(PrivacyError):
    """The plan counts shared articles, but this node has no article key or no public ids."""

    code = "PRIV-304"
    default_remedy = (
        'map the column of public ids ([data.items.extra] public_id = "gtin"), ingest, and put the '
        "partners' key in place: isthmus-node articles key FILE"
    )


class ArticlesNeededError(FederationError):
    """The node lacks the plan's list of shared articles and needs it from the coordinator."""

    code = "FED-055"


def read_article_key(path: Path) -> bytes:
    """The partners' common key.

    Raises
    ------
    ArticleKeyError
        It is missing, of another length, or readable by others.
    """
    try:
        key, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise ArticleKeyError(f"no article key: {error.strerror}", where=str(path)) from error
    if len(key) != KEY_BYTES:
        raise ArticleKeyError(f"{len(key)} bytes, not {KEY_BYTES}", where=str(path))
    if mode & 0o077:
        raise ArticleKeyError("others may read the article key", where=str(path))
    return key


def hashed_articles(key: bytes, public_ids: Sequence[str]) -> Hashes:
    """(N, 16) keyed hash of each item's public id, in the order of the catalogue."""
    nothing = bytes(ARTICLE_BYTES)
    return as_rows([article_hash(key, one) if one.strip() else nothing for one in public_ids])


def as_rows(articles: Sequence[bytes]) -> Hashes:
    """(A, 16) hashes of 16 bytes each, one a row."""
    return np.frombuffer(b"".join(articles), dtype=np.uint8).reshape(-1, ARTICLE_BYTES)


def listed(hashes: Hashes) -> tuple[bytes, ...]:
    """The different hashes among those of a catalogue, sorted: what the coordinator compares."""
    return tuple(sorted({row.tobytes() for row in hashes if row.any()}))


def places_of(hashes: Hashes, articles: Sequence[bytes]) -> Int64s:
    """(N,) place of each item in the list of shared articles; -1 for items of this node alone."""
    place = {article: number for number, article in enumerate(articles)}
    place.pop(bytes(ARTICLE_BYTES), None)  # what stands for an item without a public id
    return np.array([place.get(row.tobytes(), -1) for row in hashes], dtype=np.int64)
