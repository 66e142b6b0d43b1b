"""Fallbacks: there is always an answer, it says why, and no rule but "seen" gives way."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.ranking.config import PrerequisiteConfig, RankingConfig, SuitabilityConfig
from clients.ranking.fallback import (
    WORDS,
    Answer,
    FallbackReason,
    rank_or_fall_back,
    similar_items,
)
from clients.ranking.rank import Candidates
from clients.ranking.request import Filters, Situation
from tests.clients.ranking.shop import NOW, PLAIN, candidates, facts, feedback

POPULARITY = np.array([5.0, 1.0, 9.0, 0.0])


def answer(found: Candidates | None, *seen: int, k: int = 3, **filters: object) -> Answer:
    situation = Situation(
        now=NOW, seen=np.array(seen, dtype=np.int64), filters=Filters.model_validate(filters)
    )
    return rank_or_fall_back(found, situation, facts(4), PLAIN, POPULARITY, k)


def items(found: Answer) -> list[int]:
    return [place.item for place in found.ranked.items]


def test_a_known_user_gets_what_the_models_say() -> None:
    found = answer(candidates(1.0, 4.0, 2.0, 3.0), 1)
    assert items(found) == [3, 2, 0]
    assert found.fallback is None


@pytest.mark.parametrize("known", [None, candidates(1.0, 4.0, 2.0, 3.0)])
def test_a_new_user_gets_what_is_popular(known: Candidates | None) -> None:
    found = answer(known)
    assert items(found) == [2, 0, 1]
    assert found.fallback == "new_user"


def test_without_a_model_what_is_like_the_history_comes_first() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.0, 1.0]])
    situation = Situation(now=NOW, seen=np.array([0]))
    shop = facts(4, vectors=vectors)
    found = rank_or_fall_back(None, situation, shop, PLAIN, POPULARITY, 3)
    assert items(found) == [1, 2, 3]
    assert found.fallback == "no_model"


def test_who_has_seen_everything_sees_it_again_and_is_told() -> None:
    found = answer(candidates(1.0, 4.0, 2.0, 3.0), 0, 1, 2, 3)
    assert items(found) == [1, 3, 2]
    assert found.fallback == "all_seen"


def test_new_items_stand_before_those_seen_again() -> None:
    found = answer(candidates(9.0, 1.0, 8.0, 7.0), 0, 2, 3)
    assert items(found) == [1, 0, 2]
    assert found.fallback == "all_seen"


def test_a_list_that_seen_items_cannot_fill_is_no_fallback() -> None:
    found = answer(candidates(1.0, 2.0, 3.0, 4.0), 0, k=4, without=("i0",))
    assert items(found) == [3, 2, 1]
    assert found.fallback is None


def test_when_nothing_passes_the_list_is_empty_and_says_what_took_the_items() -> None:
    found = answer(candidates(1.0, 2.0, 3.0, 4.0), 0, only=())
    assert items(found) == []
    assert found.fallback == "nothing_fits"
    assert found.ranked.filtered["only"] == 3


@given(
    classes=st.lists(st.one_of(st.none(), st.integers(1, 7)), min_size=1, max_size=20),
    own=st.integers(0, 8),
    has_model=st.booleans(),
    seen=st.booleans(),
    dial=st.sampled_from([0.0, 0.5, 1.0]),
)
@settings(deadline=None, max_examples=60)
def test_no_fallback_shows_what_is_not_suitable_disliked_or_not_ready(
    classes: list[int | None], own: int, has_model: bool, seen: bool, dial: float
) -> None:
    n = len(classes)
    config = RankingConfig(
        suitability=SuitabilityConfig(attribute="risk"),
        prerequisites=PrerequisiteConfig(attribute="needs"),
        stock_attribute="stock",
    )
    columns = {"risk": classes, "needs": ["i0"] * n, "stock": [0] + [1] * (n - 1)}
    situation = Situation(
        now=NOW,
        diversity=dial,
        completed=np.array([0]),
        seen=np.arange(n) if seen else np.empty(0, dtype=np.int64),
        filters=Filters(suitability_class=own),
        feedback=feedback((n - 1, "disliked", 0)),
    )
    scored = Candidates(np.arange(n), np.arange(n, dtype=np.float64)) if has_model else None
    shop = facts(n, config=config, columns=columns)
    found = rank_or_fall_back(scored, situation, shop, config, np.ones(n), n)
    allowed = {
        item
        for item, risk in enumerate(classes)
        if risk is not None and risk <= own and 0 < item < n - 1
    }
    assert set(items(found)) == allowed
    assert bool(allowed) or found.fallback == "nothing_fits"


def test_similar_items_are_those_with_near_vectors() -> None:
    shop = facts(3, vectors=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]]))
    found, by_text = similar_items(0, shop, np.ones(3))
    assert by_text
    assert int(np.argmax(found.scores)) == 2
    assert found.scores[0] == -np.inf


def test_an_item_without_text_has_popular_neighbours_of_its_category() -> None:
    vectors = np.zeros((4, 2))
    shop = facts(4, vectors=vectors, categories=["A", "A", "A", "B"])
    found, by_text = similar_items(0, shop, np.array([0.0, 1.0, 2.0, 9.0]))
    assert not by_text
    assert int(np.argmax(found.scores)) == 2
    assert np.isfinite(found.scores).tolist() == [False, True, True, False]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_reason_has_words(language: str) -> None:
    assert set(WORDS[language]) == set(get_args(FallbackReason))  # type: ignore[index]
