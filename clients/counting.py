"""A node's part in the statistics of one run: which articles, which places, which vector."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from clients.articles import ArticlesNeededError, OtherArticlesError
from clients.contribution import OpenLedger
from clients.counted_places import counted_places
from clients.node_data import TrainingData
from clients.statistics import NoStatisticsError, StatisticsContribution, kept_file
from shared.files import write_atomically
from shared.plan import Partner, TrainingPlan
from shared.released_counts import frequent_places
from shared.start import Carried, RoundStart
from shared.statistics import (
    Float32s,
    ReleaseName,
    articles_digest,
    packed_articles,
    unpacked_articles,
)
from shared.steps import releases_before
from shared.wire import Parcel


class ArticleFile:
    """The plan's list of shared articles, as this node keeps it.

    Parameters
    ----------
    plan
        Fixes the list by its digest, so it does not matter from whom it comes.
    directory
        Of the run.
    """

    def __init__(self, plan: TrainingPlan, directory: Path) -> None:
        self._plan, self._path = plan, directory / "articles.bin"

    @property
    def needed(self) -> bool:
        """Whether the plan counts articles and their list is not here yet."""
        terms = self._plan.statistics
        return terms is not None and terms.article_count > 0 and not self._path.exists()

    def keep(self, parcel: Parcel) -> None:
        """Take the list out of a message.

        Raises
        ------
        OtherArticlesError
            It is not the list that the plan fixes.
        """
        terms, vector = self._plan.statistics, parcel.vector
        if terms is None or vector is None or vector.dtype != "<u8" or len(vector) % 2:
            raise OtherArticlesError("a message without a list of articles")
        articles = unpacked_articles(vector)
        if articles_digest(articles) != terms.articles:
            raise OtherArticlesError(f"a list of {len(articles)} articles with another digest")
        write_atomically(self._path, b"".join(articles), private=True)

    def read(self) -> list[bytes]:
        """The list, by place; empty where there is none."""
        packed = packed_articles(self._path.read_bytes()) if self._path.exists() else None
        return [] if packed is None else unpacked_articles(packed)


class Counting:
    """What this node counts for one plan.

    Parameters
    ----------
    plan, partner
        The accepted plan and this node's entry in it.
    data
        What is counted; item vectors say the cluster of each item.
    directory
        Where vectors and the list of articles are kept.
    open_ledger
        Opens the node's ledger.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        partner: Partner,
        data: TrainingData,
        directory: Path,
        open_ledger: OpenLedger,
    ) -> None:
        self._plan, self._partner, self._data = plan, partner, data
        self._directory, self._open_ledger = directory, open_ledger
        self._articles = ArticleFile(plan, directory)

    def take_articles(self, start: RoundStart, parcel: Parcel) -> None:
        """Keep the list of articles that comes with a start message.

        Raises
        ------
        ArticlesNeededError
            This node can use the list, but neither has it nor got it.
        OtherArticlesError
        """
        if start.carried is Carried.ARTICLES:
            self._articles.keep(parcel)
        if self._articles.needed and self._data.hashes is not None:
            raise ArticlesNeededError("the list of shared articles is not here yet")

    def vector(self, release: ReleaseName, counts: Float32s) -> Float32s:
        """The weighted vector of one release, made once and charged once.

        Parameters
        ----------
        counts
            What was released before (`shared.released_counts`).

        Raises
        ------
        NoPublicIdsError, OtherArticlesError, NoStatisticsError, KeptStatisticsError
        PlanBudgetError, LifetimeBudgetError
        """
        if release == "popularity":
            return self._contribution.popularity()
        return self._contribution.pairs(frequent_places(self._plan, counts))

    def forget_before(self, number: int) -> None:
        """Steps before `number` are over: delete counts that only their sums protect."""
        if self._plan.distributed:
            for release in releases_before(self._plan, number):
                kept_file(self._directory, release).unlink(missing_ok=True)

    @cached_property
    def _contribution(self) -> StatisticsContribution:
        terms, data = self._plan.statistics, self._data
        if terms is None:
            raise NoStatisticsError("the plan asks for no private statistics")
        return StatisticsContribution(
            self._plan,
            self._partner,
            data.histories,
            counted_places(terms, self._articles.read(), data.hashes, data.vectors),
            self._directory,
            self._open_ledger,
        )
