"""A node's part in the private statistics of a plan: counted once, charged once, kept until sent.

The order is that of `clients.contribution`: reserve the budget, count and add noise, keep the
vector, commit the ledger, only then hand it to secure aggregation. A node that died in between
sends the same bytes again, so noise is never drawn twice for one charge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from clients.contribution import OpenLedger
from clients.data.dataset import Histories
from shared.errors import PrivacyError
from shared.files import write_atomically
from shared.plan import Partner, TrainingPlan
from shared.privacy.accounting import Budget
from shared.privacy.ledger import Ledger
from shared.privacy.noise import SecureGaussian
from shared.privacy.spends import Release, Spend
from shared.statistics import (
    KEY_BYTES,
    ReleaseName,
    StatisticsTerms,
    article_hash,
    articles_digest,
    cluster_pair_sum,
    pair_sum,
    popularity_sum,
)
from shared.statistics_session import statistics_cost

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]


class NoStatisticsError(PrivacyError):
    """A plan that asks for no statistics, or for none of this kind."""

    code = "PRIV-300"


class OtherArticlesError(PrivacyError):
    """The list of shared articles is not the one that the plan fixes."""

    code = "PRIV-301"
    default_remedy = "get the list that belongs to this plan; counts would be added up wrongly"


class ArticleKeyError(PrivacyError):
    """The key under which partners compare articles is missing, too short or readable by others."""

    code = "PRIV-302"
    default_remedy = "agree on 32 random bytes among the partners, without the coordinator"


class KeptStatisticsError(PrivacyError):
    """Statistics that this node counted and kept cannot be read."""

    code = "PRIV-303"
    default_remedy = "they cannot be counted again without a new charge; leave this plan's out"


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


def hashed_articles(key: bytes, public_ids: Sequence[str]) -> list[bytes]:
    """Keyed hash of each item's public id, in the order of the catalogue."""
    return [article_hash(key, public_id) for public_id in public_ids]


class StatisticsContribution:
    """One node's vectors for the statistics of one plan.

    Parameters
    ----------
    plan, partner
        The accepted plan and this node's entry in it.
    histories
        Training part of the histories.
    places
        (N,) place of each item among what is counted, -1 for others (`article_places`,
        `shared.models.clusters`).
    directory
        Where vectors are kept.
    open_ledger
        Opens the node's ledger.

    Raises
    ------
    NoStatisticsError
        The plan has no privacy or no statistics.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        partner: Partner,
        histories: Histories,
        places: Int64s,
        directory: Path,
        open_ledger: OpenLedger,
    ) -> None:
        if plan.statistics is None or plan.privacy is None:
            raise NoStatisticsError("the plan asks for no private statistics")
        self._terms: StatisticsTerms = plan.statistics
        delta = plan.privacy.delta(partner.declared_users)
        self._budget = Budget(epsilon=plan.privacy.epsilon, delta=delta)
        self._plan, self._partner, self._histories = plan, partner, histories
        self._directory, self._open_ledger = directory, open_ledger
        self._length, self._places = self._terms.cells, places

    def popularity(self) -> Float32s:
        """(A,) noisy, weighted popularity of the A shared articles, or clusters.

        Raises
        ------
        PlanBudgetError, LifetimeBudgetError, KeptStatisticsError
        """
        places = self._places[self._histories.items]

        def count() -> Float64s:
            half_life = self._terms.half_life
            return popularity_sum(self._histories.offsets, places, self._length, half_life)

        return self._released("popularity", count)

    def pairs(self, frequent: Int64s) -> Float32s:
        """Noisy, weighted pairs of the F articles, or clusters, at the places `frequent`.

        Returns
        -------
        Float32s
            (F * (F - 1) / 2,); of clusters, which must be all of them, (F * (F + 1) / 2,).

        Raises
        ------
        NoStatisticsError
            The plan counts no pairs, or not of so many articles.
        PlanBudgetError, LifetimeBudgetError, KeptStatisticsError
        """
        counted, asked = self._terms.pair_cells, len(frequent)
        if not counted or asked > counted or (self._terms.clusters and asked < counted):
            raise NoStatisticsError(f"pairs of {asked}, the plan counts those of {counted}")
        if self._terms.clusters:
            return self._released("pairs", self._cluster_pairs)
        rank = np.full(self._length + 1, -1, dtype=np.int64)  # the last one is for no place, -1
        rank[frequent] = np.arange(len(frequent))
        places = rank[self._places[self._histories.items]]
        return self._released(
            "pairs", lambda: pair_sum(self._histories.offsets, places, len(frequent))
        )

    def _cluster_pairs(self) -> Float64s:
        items = self._histories.items.astype(np.int64)
        return cluster_pair_sum(self._histories.offsets, items, self._places, self._length)

    def _released(self, name: ReleaseName, count: Callable[[], Float64s]) -> Float32s:
        path, ledger = self._path(name), self._open_ledger()
        spend = self._reserve(ledger, name)
        if not path.exists():
            noisy = self._noised(count())
            write_atomically(path, save({"vector": noisy}), private=True)
        vector = _read(path)
        ledger.commit(spend, vector.tobytes())
        return np.asarray(self._plan.weight(self._partner) * vector, dtype=np.float32)

    def forget(self) -> None:
        """The sums are verified: delete vectors that only the sum protects."""
        if self._plan.distributed:
            for name in self._terms.releases:
                self._path(name).unlink(missing_ok=True)

    def _path(self, name: ReleaseName) -> Path:
        return self._directory / f"statistics-{name}.safetensors"

    def _reserve(self, ledger: Ledger, name: ReleaseName) -> Spend:
        """The reservation of this release: the one that is there, or a new one."""
        release = Release(plan=self._plan.run_id, round=0, model=name)
        wanted = (statistics_cost(self._plan, name),)
        for spend in ledger.spends():
            if spend.release == release and spend.mechanisms == wanted:
                return spend
        return ledger.reserve(release, wanted, plan_budget=self._budget)

    def _noised(self, exact: Float64s) -> Float32s:
        """`exact` with this node's noise; unchanged where secure aggregation adds its share.

        The kept vector is private data then, and `forget` deletes it.
        """
        if self._plan.distributed:
            return exact.astype(np.float32)
        noise = SecureGaussian().draw(len(exact)).double().numpy()
        return np.asarray(exact + self._terms.noise_multiplier * noise, dtype=np.float32)


def article_places(
    terms: StatisticsTerms, hashes: Sequence[bytes], articles: Sequence[bytes]
) -> Int64s:
    """(N,) place of each item among the shared articles that a plan fixes.

    Parameters
    ----------
    hashes
        Keyed hash of each item, by item index.
    articles
        The shared articles, in the plan's order.

    Raises
    ------
    OtherArticlesError
        `articles` is not the plan's list.
    """
    if articles_digest(articles) != terms.articles:
        raise OtherArticlesError(f"a list of {len(articles)} articles with another digest")
    return places_of(hashes, articles)


def places_of(hashes: Sequence[bytes], articles: Sequence[bytes]) -> Int64s:
    """(N,) place of each item in the list of shared articles; -1 for items of this node alone."""
    place = {article: number for number, article in enumerate(articles)}
    return np.array([place.get(one, -1) for one in hashes], dtype=np.int64)


def _read(path: Path) -> Float32s:
    try:
        return np.asarray(load_file(path)["vector"], dtype=np.float32)
    except (OSError, KeyError, SafetensorError) as error:
        raise KeptStatisticsError(str(error), where=str(path)) from error
