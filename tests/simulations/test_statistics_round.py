"""Statistics through a real masked sum, with noise of each partner's own and with shared noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clients.rounds import Node
from clients.statistics import hashed_articles, places_of
from shared.models.clusters import item_clusters
from shared.plan import TrainingPlan
from shared.privacy.accounting import epsilon
from shared.privacy.spends import history_of
from shared.statistics import (
    StatisticsTerms,
    articles_digest,
    cluster_pair_sum,
    popularity_sum,
    shared_articles,
)
from simulations.statistics_round import ReleasedStatistics, run_statistics
from tests.federation import node
from tests.plans import distributed_plan, make_plan

PARTNERS = (1, 2, 3, 4)
HASHES = {
    i: hashed_articles(bytes(32), [f"gtin-{n}" for n in range(5 * i, 5 * i + 30)]) for i in PARTNERS
}
ARTICLES = shared_articles(HASHES.values(), colluders=1)
TERMS = StatisticsTerms(
    frequent=6,
    articles=articles_digest(ARTICLES),
    article_count=len(ARTICLES),
    noise_multiplier=3.0,
)


def _plans() -> dict[str, TrainingPlan]:
    users = (64, 64, 64, 64)
    own = make_plan(users, statistics=TERMS)
    return {"own": own, "shared": distributed_plan(users).model_copy(update={"statistics": TERMS})}


def _run(plan: TrainingPlan, root: Path) -> tuple[ReleasedStatistics, dict[int, Node]]:
    changes = {"allow_statistics": True, "allow_distributed_noise": True}
    nodes = {i: node(plan, i, root, **changes) for i in PARTNERS}
    places = {i: places_of(hashes, ARTICLES) for i, hashes in HASHES.items()}
    return run_statistics(plan, nodes, places), nodes


def _exact(nodes: dict[int, Node]) -> np.ndarray:
    total = np.zeros(len(ARTICLES))
    for number, one in nodes.items():
        parts = one.data.histories
        places = places_of(HASHES[number], ARTICLES)[parts.items]
        total += popularity_sum(parts.offsets, places, len(ARTICLES), TERMS.half_life)
    return total


@pytest.mark.parametrize("kind", ["own", "shared"])
def test_the_opened_sum_is_the_exact_one_plus_the_stated_noise(kind: str, tmp_path: Path) -> None:
    released, nodes = _run(_plans()[kind], tmp_path)
    error = released.popularity - _exact(nodes)
    assert 0.5 < error.std() / released.popularity_deviation < 1.7
    assert np.abs(error).max() < 5 * released.popularity_deviation
    assert (len(released.frequent), len(released.pairs)) == (6, 15)


def test_shared_noise_is_smaller_than_that_of_all_partners_together(tmp_path: Path) -> None:
    plans = _plans()
    own, _ = _run(plans["own"], tmp_path / "own")
    shared, _ = _run(plans["shared"], tmp_path / "shared")
    assert own.popularity_deviation == pytest.approx(6.0)
    assert 3.0 <= shared.popularity_deviation < 5.0


@pytest.mark.parametrize("kind", ["own", "shared"])
def test_every_node_charges_both_releases_and_keeps_no_exact_counts(
    kind: str, tmp_path: Path
) -> None:
    plan = _plans()[kind]
    _, nodes = _run(plan, tmp_path)
    for one in nodes.values():
        spends = one.ledger().spends()
        assert [spend.release.model for spend in spends] == ["popularity", "pairs"]
        assert 0 < epsilon(history_of(spends), 64**-1.1) < 8
        kept = list(one.home.run(plan.run_id).glob("statistics-*"))
        assert bool(kept) == (kind == "own")


def test_clusters_are_counted_where_nothing_is_shared(tmp_path: Path) -> None:
    terms = StatisticsTerms(clusters=5, noise_multiplier=3.0)
    plan = _plans()["own"].model_copy(update={"statistics": terms})
    nodes = {i: node(plan, i, tmp_path, allow_statistics=True) for i in PARTNERS}
    places = {i: item_clusters(one.data.vectors, 5) for i, one in nodes.items()}
    released = run_statistics(plan, nodes, places)
    exact = np.zeros(15)
    for number, one in nodes.items():
        parts = one.data.histories
        exact += cluster_pair_sum(
            parts.offsets, parts.items.astype(np.int64), places[number], terms.clusters
        )
    assert np.abs(released.pairs - exact).max() < 5 * released.pairs_deviation
    assert (len(released.frequent), exact.max()) > (4, 20)
