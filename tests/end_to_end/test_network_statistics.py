"""`make e2e`: what the film sites of `tests.end_to_end.world` count together, over the network."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clients.articles import listed, places_of
from clients.counting import ArticleFile
from clients.home import NodeHome
from clients.identity import load_identity, public_bytes
from clients.network_home import NetworkHome
from clients.node_data import TrainingData
from clients.public_ids import own_hashes
from clients.recommenders.local_parts import POOLED_PARTS
from server.settings import read_settings
from shared.article_list import ArticleList
from shared.documents import signed, write_document
from shared.released_counts import released
from shared.statistics import ARTICLE_BYTES, Float64s, StatisticsTerms, popularity_sum
from shared.statistics_session import noise_deviation
from simulations.deployed_data import movielens
from tests.end_to_end.world import NAMES, World, charges

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

FOREIGN = 1_100_000
"""Articles that no site has; with these the list is larger than any request may be."""
MANY = StatisticsTerms(frequent=2000, noise_multiplier=20.0)
"""Pairs are 8 MB at each node: more than one object of Flower."""


def test_another_list_of_articles_was_refused_by_all_nodes_and_cost_nothing(world: World) -> None:
    assert (world.lie.report["round"], world.lie.report["survivors"]) == (-1, [])
    assert [*world.lie.report["failures"]["train.start"].values()] == 3 * ["PRIV-301"]
    assert world.lie.charges == {name: [] for name in NAMES}


def test_all_nodes_know_what_they_counted_together_with_the_stated_noise(world: World) -> None:
    plan = world.plan
    exact = sum(plan.weight(p) * _popularity(world, p.name) for p in plan.partners)
    for partner in plan.partners:
        found = released(plan, world.kept(partner.name).state.counts, "popularity")
        assert found is not None
        assert found.survivors == (1, 2, 3)
        error = (found.vector - exact) / noise_deviation(plan, found.survivors, "popularity")
        assert 0.8 < error.std() < 1.2
        assert np.abs(error).max() < 6


@pytest.mark.parametrize("name", NAMES)
def test_what_was_counted_is_part_of_the_fusion_where_the_release_is_served(
    world: World, name: str
) -> None:
    facts = world.served[name].facts
    if facts["start"] == world.state["run_id"]:
        assert set(POOLED_PARTS) <= set(facts["parts"])
    else:  # it would have made lists worse here
        assert facts["joined"] < facts["alone"]


def test_the_release_is_served_somewhere(world: World) -> None:
    assert world.state["run_id"] in {served.facts["start"] for served in world.served.values()}


def test_a_list_larger_than_any_request_is_counted_though_a_kill_cuts_it_off(
    world: World, tmp_path: Path
) -> None:
    """Flower sends it in pieces, and the edge bounds what nodes send, not what they get."""
    deployment = world.deployment
    foreign = [secrets.token_bytes(ARTICLE_BYTES) for _ in range(FOREIGN)]
    files = [_padded(deployment.node(name), foreign, tmp_path) for name in NAMES]
    deployment.coordinate("articles", *map(str, files))
    data = movielens(tmp_path / "files", 1, steps=1, statistics=MANY, epsilon=1.5)
    plan = data.write_plan(tmp_path / "plan.toml")
    before = _begun(deployment.node("action"))
    deployment.coordinate("start", "--plan", str(plan), "--propose-only")
    _until(lambda: _begun(deployment.node("action")) >= before + 2)  # the plan, the list
    deployment.kill("coordinator")
    deployment.start("coordinator")
    deployment.approve_plan("drama", 180)
    state = deployment.wait_for_end(600)
    assert state["state"] == "finished", state["problem"]
    done = [r for r in deployment.rounds() if r["survivors"]]
    assert [(r["round"], r["survivors"]) for r in done] == [(i, [1, 2, 3]) for i in (-1, 0, 1)]
    largest = read_settings(deployment.coordinator).edge.max_request_mb << 20
    for name in NAMES:
        home = deployment.node(name)
        assert (home.run(state["run_id"]) / "articles.bin").stat().st_size > largest
        expected = [("popularity", 0), ("pairs", 0), ("behaviour", 1)]
        assert charges(home, state["run_id"]) == expected


def _begun(home: NodeHome) -> int:
    """How many messages a node's SuperNode has begun to fetch, according to its log."""
    return NetworkHome.of(home).log.read_text().count("Receiving: ")


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < end, "no list is on its way"
        time.sleep(0.05)


def _popularity(world: World, name: str) -> Float64s:
    """What a node counted, without noise."""
    home, plan = world.deployment.node(name), world.plan
    data, articles = TrainingData.load(home.training), ArticleFile(plan, home.run(plan.run_id))
    assert plan.statistics is not None
    assert data.hashes is not None
    places = places_of(data.hashes, articles.read())[data.histories.items]
    terms = plan.statistics
    return popularity_sum(data.histories.offsets, places, terms.cells, terms.half_life)


def _padded(home: NodeHome, foreign: list[bytes], folder: Path) -> Path:
    """A node's signed list of articles, with many that it does not have."""
    hashes, key = own_hashes(home), load_identity(home.identity)
    assert hashes is not None
    packed = ArticleList.packed(sorted({*foreign, *listed(hashes)}))
    document = ArticleList(identity=public_bytes(key).hex(), hashes=packed)
    path = folder / f"{home.root.name}.json"
    write_document(signed(document, key), path)
    return path
