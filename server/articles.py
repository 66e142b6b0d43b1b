"""The list of shared articles of a run: keyed hashes that the coordinator cannot open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shared.errors import ConfigError
from shared.files import write_atomically
from shared.plan import TrainingPlan
from shared.statistics import Articles, articles_digest, packed_articles, unpacked_articles

ARTICLES: Final = "articles.bin"


class ArticleListError(ConfigError):
    """The list of shared articles of a run is missing, or not the one in its plan."""

    code = "CFG-014"
    default_remedy = "restore the run's directory from a backup, or propose another plan"


def store_articles(directory: Path, articles: Sequence[bytes]) -> None:
    """Write the list beside the plan of a run."""
    write_atomically(directory / ARTICLES, b"".join(articles))


def read_articles(directory: Path, plan: TrainingPlan) -> Articles | None:
    """The list as it travels; None where the plan counts no articles.

    Raises
    ------
    ArticleListError
    """
    if plan.statistics is None or not plan.statistics.article_count:
        return None
    path = directory / ARTICLES
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArticleListError(str(error.strerror), where=str(path)) from error
    packed = packed_articles(data)
    if packed is None or articles_digest(unpacked_articles(packed)) != plan.statistics.articles:
        raise ArticleListError(f"{len(data)} bytes of another list", where=str(path))
    return packed
