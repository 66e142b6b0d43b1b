"""Filters: each takes what it should, counts it, and fails closed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.ranking.config import PrerequisiteConfig, RankingConfig, SuitabilityConfig
from clients.ranking.errors import UnknownAttributeError
from clients.ranking.facts import ItemFacts
from clients.ranking.filters import eligible
from clients.ranking.request import Filters, Situation
from shared.config import parse
from shared.errors import ConfigError
from tests.clients.ranking.shop import NOW, PLAIN, facts, feedback

RISKY = RankingConfig(suitability=SuitabilityConfig(attribute="risk", default_class=1))


def left(
    shop: ItemFacts, config: RankingConfig = PLAIN, seen: tuple[int, ...] = (), **filters: Any
) -> list[int]:
    situation = Situation(
        now=NOW, seen=np.array(seen, dtype=np.int64), filters=parse(Filters, filters, where="test")
    )
    return [int(n) for n in np.flatnonzero(eligible(shop, situation, config)[0])]


def test_nothing_is_filtered_unless_asked() -> None:
    assert left(facts(3)) == [0, 1, 2]


def test_seen_items_go_unless_node_or_request_want_them() -> None:
    shop = facts(3)
    assert left(shop, seen=(1,)) == [0, 2]
    assert left(shop, seen=(1,), include_seen=True) == [0, 1, 2]
    assert left(shop, RankingConfig(exclude_seen=False), seen=(1,)) == [0, 1, 2]


def test_items_out_of_stock_go_and_unknown_stock_stays() -> None:
    config = RankingConfig(stock_attribute="stock")
    assert left(facts(3, config=config, columns={"stock": [0, 5, None]}), config) == [1, 2]


def test_allow_and_deny_lists_ignore_ids_that_are_not_there() -> None:
    shop = facts(3)
    assert left(shop, only=("i2", "gone")) == [2]
    assert left(shop, only=()) == []
    assert left(shop, without=("i2", "gone")) == [0, 1]


def test_categories_may_be_asked_for_or_excluded_at_any_level() -> None:
    shop = facts(3, categories=["Books | Crime", "Books | Art", "Music"])
    assert left(shop, categories=("books",)) == [0, 1]
    assert left(shop, categories=("books",), without_categories=("Art",)) == [0]


def test_prices_are_inclusive_and_an_unknown_price_is_outside() -> None:
    shop = facts(3, columns={"price": [5, 10, None]})
    assert left(shop, price_from=5, price_to=9) == [0]
    assert left(shop, price_from=0) == [0, 1]


def test_attributes_match_one_of_the_values() -> None:
    shop = facts(3, columns={"colour": ["red", "Blue | green", None]})
    assert left(shop, attributes={"colour": ("GREEN", "yellow")}) == [1]


@pytest.mark.parametrize("filters", [{"attributes": {"size": ("L",)}}, {"price_from": 1.0}])
def test_a_filter_on_what_items_do_not_have_is_refused(filters: dict[str, Any]) -> None:
    with pytest.raises(UnknownAttributeError):
        left(facts(2), **filters)


@pytest.mark.parametrize(
    "filters", [{"price_from": float("nan")}, {"price_from": -1.0}, {"only": ("x" * 201,)}]
)
def test_filters_have_bounds(filters: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        parse(Filters, filters, where="test")


def test_courses_wait_for_their_prerequisites() -> None:
    config = RankingConfig(prerequisites=PrerequisiteConfig(attribute="needs"))
    shop = facts(3, config=config, columns={"needs": ["", "i0", "i0 | i1"]})
    situation = Situation(now=NOW, completed=np.array([0]))
    kept, taken = eligible(shop, situation, config)
    assert kept.tolist() == [True, True, False]
    assert taken == {"prerequisites": 1}


def test_disliked_items_are_gone_and_dismissed_ones_for_a_while() -> None:
    situation = Situation(
        now=NOW,
        feedback=feedback(
            (0, "disliked", 999), (1, "dismissed", 1), (2, "dismissed", 31), (3, "shown", 0)
        ),
    )
    assert eligible(facts(4), situation, PLAIN)[0].tolist() == [False, False, True, True]


def test_without_a_class_only_the_lowest_is_suitable() -> None:
    shop = facts(4, config=RISKY, columns={"risk": [1, 2, 5, None]})
    assert left(shop, RISKY) == [0]
    assert left(shop, RISKY, suitability_class=4) == [0, 1]


@given(
    classes=st.lists(st.one_of(st.none(), st.integers(0, 7)), min_size=1, max_size=30),
    own=st.one_of(st.none(), st.integers(0, 7)),
)
def test_no_item_above_the_class_is_eligible(classes: list[int | None], own: int | None) -> None:
    shop = facts(len(classes), config=RISKY, columns={"risk": classes})
    limit = 1 if own is None else own
    for item in left(shop, RISKY, suitability_class=own):
        found = classes[item]
        assert found is not None
        assert found <= limit


def test_each_filter_counts_what_it_took_first() -> None:
    config = RankingConfig(stock_attribute="stock")
    shop = facts(4, config=config, columns={"stock": [0, 0, 1, 1]})
    situation = Situation(now=NOW, seen=np.array([1, 2]))
    assert eligible(shop, situation, config)[1] == {"stock": 2, "seen": 1}
