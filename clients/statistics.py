"""A node's part in the private statistics of a plan: counted once, charged once, kept until sent.

The order is that of `clients.contribution`: reserve the budget, count and add noise, keep the
vector, commit the ledger, only then hand it to secure aggregation. A node that died in between
sends the same bytes again, so noise is never drawn twice for one charge.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from clients.contribution import OpenLedger
from clients.data.dataset import Histories
from shared.errors import PrivacyError
from shared.files import write_atomically
from shared.hashing import digest
from shared.plan import Partner, TrainingPlan
from shared.privacy.accounting import Budget
from shared.privacy.ledger import Ledger
from shared.privacy.noise import SecureGaussian
from shared.privacy.spends import Release, Spend
from shared.statistics import (
    ReleaseName,
    StatisticsTerms,
    cluster_pair_sum,
    pair_sum,
    popularity_sum,
    rank_among,
)
from shared.statistics_session import statistics_cost

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]


class NoStatisticsError(PrivacyError):
    """A plan that asks for no statistics, or for none of this kind."""

    code = "PRIV-300"


class KeptStatisticsError(PrivacyError):
    """Statistics that this node counted and kept cannot be read."""

    code = "PRIV-303"
    default_remedy = "they cannot be counted again without a new charge; leave this plan's out"


class StatisticsContribution:
    """One node's vectors for the statistics of one plan.

    Parameters
    ----------
    plan, partner
        The accepted plan and this node's entry in it.
    histories
        Training part of the histories.
    places
        (N,) place of each item among what is counted, -1 for others (`clients.articles`,
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
        places = rank_among(frequent, self._length)[self._places[self._histories.items]]
        return self._released(
            "pairs",
            lambda: pair_sum(self._histories.offsets, places, len(frequent)),
            digest("isthmus pairs of 1", frequent.astype("<i8").tobytes()),
        )

    def _cluster_pairs(self) -> Float64s:
        items = self._histories.items.astype(np.int64)
        return cluster_pair_sum(self._histories.offsets, items, self._places, self._length)

    def _released(
        self, name: ReleaseName, count: Callable[[], Float64s], chosen: bytes = b""
    ) -> Float32s:
        path, ledger = kept_file(self._directory, name), self._open_ledger()
        spend = self._reserve(ledger, name)
        if not path.exists():
            noisy, facts = self._noised(count()), {"chosen": chosen.hex()}
            write_atomically(path, save({"vector": noisy}, metadata=facts), private=True)
        vector = _read(path, chosen)
        ledger.commit(spend, vector.tobytes())
        return np.asarray(self._plan.weight(self._partner) * vector, dtype=np.float32)

    def _reserve(self, ledger: Ledger, name: ReleaseName) -> Spend:
        release = Release(plan=self._plan.run_id, round=0, model=name)
        wanted = (statistics_cost(self._plan, name),)
        return ledger.reserve_once(release, wanted, plan_budget=self._budget)

    def _noised(self, exact: Float64s) -> Float32s:
        """`exact` with this node's noise; unchanged where secure aggregation adds its share.

        The kept vector is private data then; it is deleted once the sum is verified.
        """
        if self._plan.distributed:
            return exact.astype(np.float32)
        noise = SecureGaussian().draw(len(exact)).double().numpy()
        return np.asarray(exact + self._terms.noise_multiplier * noise, dtype=np.float32)


def kept_file(directory: Path, name: ReleaseName) -> Path:
    """Where the vector of a release is kept until the run's directory is cleared."""
    return directory / f"statistics-{name}.safetensors"


def _read(path: Path, chosen: bytes) -> Float32s:
    """The kept vector, if it was counted for the articles that are asked for now."""
    try:
        with safe_open(path, framework="numpy") as file:
            kept, facts = file.get_tensor("vector"), file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise KeptStatisticsError(str(error), where=str(path)) from error
    if facts.get("chosen") != chosen.hex():
        raise KeptStatisticsError("pairs of other articles were counted", where=str(path))
    return np.asarray(kept, dtype=np.float32)
