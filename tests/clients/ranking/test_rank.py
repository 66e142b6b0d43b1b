"""The whole way from candidates to a list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.evaluation.metrics import intra_list_diversity
from clients.ranking.config import (
    FeedbackConfig,
    FreshnessConfig,
    RankingConfig,
    SuitabilityConfig,
)
from clients.ranking.rank import Candidates, rank
from clients.ranking.request import Filters, Situation
from tests.clients.ranking.shop import DAY, NOW, PLAIN, candidates, facts, feedback

HERE = Situation(now=NOW)
finite = st.floats(-50, 50)


@given(scores=st.lists(finite, min_size=1, max_size=40), k=st.integers(1, 50))
@settings(deadline=None)
def test_without_settings_the_list_is_the_stable_order_of_scores(
    scores: list[float], k: int
) -> None:
    ranked = rank(candidates(*scores), HERE, facts(len(scores)), PLAIN, k)
    assert [r.item for r in ranked.items] == np.argsort(-np.array(scores), kind="stable").tolist()[
        :k
    ]
    assert [r.relevance_place for r in ranked.items] == list(range(1, len(ranked) + 1))


def test_the_best_survive_the_pool_whatever_its_size() -> None:
    scores = np.random.default_rng(0).normal(size=3000)
    ranked = rank(candidates(*scores), HERE, facts(3000), RankingConfig(pool=10), 20)
    assert [r.item for r in ranked.items] == np.argsort(-scores).tolist()[:20]


def test_scores_that_are_not_finite_are_no_candidates() -> None:
    ranked = rank(candidates(1.0, -np.inf, np.nan, 0.0), HERE, facts(4), PLAIN, 4)
    assert [r.item for r in ranked.items] == [0, 3]


def test_nothing_left_is_an_empty_list() -> None:
    situation = Situation(now=NOW, filters=Filters(only=()), diversity=0.5)
    ranked = rank(candidates(1.0, 2.0), situation, facts(2), RankingConfig(category_cap=1), 2)
    assert ranked.items == ()
    assert ranked.filtered == {"only": 2}


@given(
    data=st.data(), dial=st.sampled_from([0.0, 0.4, 1.0]), method=st.sampled_from(["mmr", "dpp"])
)
@settings(deadline=None)
def test_numbers_add_up_and_every_item_is_a_candidate_once(
    data: st.DataObject, dial: float, method: str
) -> None:
    scores = data.draw(st.lists(finite, min_size=1, max_size=30))
    n = len(scores)
    rows = data.draw(
        st.lists(
            st.tuples(
                st.integers(0, n - 1),
                st.sampled_from(["shown", "clicked", "liked", "disliked"]),
                st.floats(0, 50),
            ),
            max_size=10,
        )
    )
    config = RankingConfig.model_validate(
        {"method": method, "feedback": {"disliked": "demote"}, "freshness": {"weight": 1.0}}
    )
    shop = facts(n, added=np.linspace(NOW - 90 * DAY, NOW, n))
    situation = Situation(now=NOW, feedback=feedback(*rows), diversity=dial)
    ranked = rank(candidates(*scores), situation, shop, config, 10)
    assert len({r.item for r in ranked.items}) == len(ranked) == min(10, n)
    for r in ranked.items:
        assert r.score == scores[r.item]
        assert r.total == pytest.approx(r.score + sum(r.adjustments.values()))
    if not dial:
        totals = [r.total for r in ranked.items]
        assert totals == sorted(totals, reverse=True)


def test_fatigue_lets_others_pass_and_says_so() -> None:
    situation = Situation(now=NOW, feedback=feedback(*[(0, "shown", 0.0)] * 4))
    ranked = rank(candidates(1.0, 0.5), situation, facts(2), PLAIN, 2)
    assert [r.item for r in ranked.items] == [1, 0]
    assert ranked.items[1].adjustments == {"fatigue": pytest.approx(-1.2)}


def test_new_items_are_lifted_and_unknown_ages_are_not() -> None:
    config = RankingConfig(freshness=FreshnessConfig(weight=2.0, half_life_days=10))
    shop = facts(3, added=np.array([np.nan, NOW - 10 * DAY, NOW + DAY]))
    ranked = rank(candidates(0.0, 0.0, 0.0), HERE, shop, config, 3)
    assert [(r.item, r.total) for r in ranked.items] == [(2, 2.0), (1, 1.0), (0, 0.0)]
    assert ranked.items[2].adjustments == {}


def test_what_is_like_a_disliked_item_falls() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    situation = Situation(now=NOW, feedback=feedback((0, "disliked", 0)))
    ranked = rank(candidates(9.0, 1.0, 0.9), situation, facts(3, vectors=vectors), PLAIN, 3)
    assert [r.item for r in ranked.items] == [2, 1]
    assert ranked.items[1].adjustments["like_disliked"] < -0.9


@pytest.mark.parametrize("method", ["mmr", "dpp"])
def test_the_dial_buys_variety_and_the_request_overrules_the_node(method: str) -> None:
    shop = facts(200)
    config = RankingConfig.model_validate({"method": method, "diversity": 0.0})
    scores = candidates(*(shop.vectors @ shop.vectors[0]).tolist())  # alike items first
    found = []
    for dial in (None, 0.3, 1.0):
        ranked = rank(scores, Situation(now=NOW, diversity=dial), shop, config, 10)
        top = np.array([[r.item for r in ranked.items]], dtype=np.int32)
        found.append(float(intra_list_diversity(top, shop.vectors, 10)[0]))
    assert found[0] < found[1] < found[2]


def test_the_cap_looks_beyond_the_pool() -> None:
    categories = ["A"] * 500 + ["B", "C"]
    scores = candidates(*np.linspace(1, 0, 502))
    config = RankingConfig(category_cap=1, pool=10)
    ranked = rank(scores, HERE, facts(502, categories=categories), config, 3)
    assert [r.item for r in ranked.items] == [0, 500, 501]
    assert ranked.cap_kept
    assert not rank(scores, HERE, facts(502, categories=categories), config, 4).cap_kept


@given(
    classes=st.lists(st.integers(1, 7), min_size=1, max_size=40),
    own=st.integers(0, 8),
    dial=st.floats(0, 1),
    cap=st.integers(0, 3),
)
@settings(deadline=None)
def test_no_list_holds_an_item_above_the_users_class(
    classes: list[int], own: int, dial: float, cap: int
) -> None:
    config = RankingConfig(
        category_cap=cap,
        suitability=SuitabilityConfig(attribute="risk"),
        feedback=FeedbackConfig(disliked="demote"),
    )
    n = len(classes)
    shop = facts(n, config=config, columns={"risk": classes})
    situation = Situation(
        now=NOW,
        filters=Filters(suitability_class=own),
        diversity=dial,
        feedback=feedback((0, "liked", 0)),
    )
    scores = Candidates(np.arange(n), np.array(classes, dtype=np.float64))  # risk wins on score
    ranked = rank(scores, situation, shop, config, 10)
    assert all(classes[r.item] <= own for r in ranked.items)
    assert len(ranked) == min(10, sum(c <= own for c in classes))
