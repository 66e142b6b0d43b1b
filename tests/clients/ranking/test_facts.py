"""Facts of items: labels, numbers, groups, requirements."""

from __future__ import annotations

import numpy as np
import pytest

from clients.ranking.config import FreshnessConfig, PrerequisiteConfig, RankingConfig
from clients.ranking.errors import UnusableFactsError
from clients.ranking.facts import Codes
from tests.clients.ranking.shop import facts

STOCKED = RankingConfig(stock_attribute="stock")


def test_an_item_has_a_label_whatever_its_case_and_place() -> None:
    codes = Codes.of([["Books", "Crime"], [], ["crime"], ["Music"]])
    assert codes.having(["CRIME"]).tolist() == [True, False, True, False]
    assert codes.having(["crime", "music"]).tolist() == [True, False, True, True]


def test_an_unknown_label_matches_nothing() -> None:
    assert not Codes.of([["a"], ["b"]]).having(["c"]).any()
    assert not Codes.of([[], []]).having(["c"]).any()


@pytest.mark.parametrize(
    ("level", "same"), [(0, [True, True]), (-1, [False, True]), (1, [False, True])]
)
def test_caps_count_the_category_at_their_level(level: int, same: list[bool]) -> None:
    shop = facts(
        3, config=RankingConfig(category_level=level), categories=["A | B", "A | C", "A | C"]
    )
    assert [bool(shop.group[n] == shop.group[n + 1]) for n in range(2)] == same


def test_items_without_categories_are_no_group() -> None:
    assert len(set(facts(3).group.tolist())) == 3


def test_empty_numbers_are_unknown_and_text_is_refused() -> None:
    shop = facts(3, config=STOCKED, columns={"stock": ["3", None, ""], "price": [1, 2.5, None]})
    assert shop.stock is not None
    assert shop.price is not None
    assert np.isnan(shop.stock).tolist() == [False, True, True]
    with pytest.raises(UnusableFactsError, match="'many' is not a number"):
        facts(1, config=STOCKED, columns={"stock": ["many"]})


def test_a_rule_on_a_column_that_is_missing_is_refused() -> None:
    with pytest.raises(UnusableFactsError, match="'stock'"):
        facts(1, config=STOCKED)
    with pytest.raises(UnusableFactsError, match="'needs'"):
        facts(1, config=RankingConfig(prerequisites=PrerequisiteConfig(attribute="needs")))


def test_an_item_came_when_its_column_says_whatever_the_spelling() -> None:
    config = RankingConfig(freshness=FreshnessConfig(attribute="came"))
    column = ["86400", 86400.0, "1970-01-02", "1970-01-02T01:00:00+01:00", "", None]
    shop = facts(6, config=config, columns={"came": column})
    assert shop.added is not None
    assert shop.added[:4].tolist() == [86400.0] * 4
    assert np.isnan(shop.added[4:]).all()
    assert "came" not in shop.attributes
    with pytest.raises(UnusableFactsError, match="'soon' is no time"):
        facts(1, config=config, columns={"came": ["soon"]})
    with pytest.raises(UnusableFactsError, match="'came'"):
        facts(1, config=config)


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(UnusableFactsError, match="'colour' has 1 rows for 2 items"):
        facts(2, columns={"colour": ["red"]})


def test_requirements_are_met_by_all_of_them_and_an_unknown_one_never() -> None:
    config = RankingConfig(prerequisites=PrerequisiteConfig(attribute="needs"))
    shop = facts(4, config=config, columns={"needs": ["", "i0", "i0 | i1", "elsewhere"]})
    assert shop.requires is not None
    assert shop.requires.met(np.array([], dtype=np.int64)).tolist() == [True, False, False, False]
    assert shop.requires.met(np.array([0])).tolist() == [True, True, False, False]
    assert shop.requires.met(np.array([0, 1, 2])).tolist() == [True, True, True, False]
