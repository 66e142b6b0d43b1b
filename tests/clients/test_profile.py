"""Portraits: interests, activity and novelty, by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from clients.data.dataset import Histories
from clients.profile import DECAY, Crowd, named_interests, portrait
from shared.contract import EVENT_TYPES
from tests.clients.ranking.shop import facts
from tests.clients.recommenders.small_data import histories

SHOP = facts(
    4,
    categories=["Shop | Tea", "Shop | Tea", "Shop | Coffee", "Shop | tea | Pots"],
    vectors=np.array([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0], [0.7, 0.7]]),
)
ALL = histories([0, 1, 2], [0], [0, 3])
CROWD = Crowd.of(ALL, 4)


def test_labels_of_most_of_the_catalogue_say_nothing() -> None:
    found = portrait(histories([0, 2, 3]), SHOP, CROWD).interests  # Shop: 4 of 4, Tea: 3 of 4
    assert {one.label for one in found} == {"Coffee", "Pots"}


def test_weights_are_shares_and_examples_are_the_latest() -> None:
    shop = facts(5, categories=["A", "A", "B", "C | B", ""])
    found = portrait(histories([0, 2, 1, 4]), shop, Crowd.of(ALL, 5)).interests
    weights = {one.label: one.weight for one in found}
    assert list(weights) == ["A", "B"]
    total = DECAY + DECAY**2 + DECAY**3
    assert weights["A"] == pytest.approx((DECAY + DECAY**3) / total)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert found[0].items == (1, 0)
    assert found[0].events == 2


def test_an_event_counts_for_all_its_categories_alike() -> None:
    shop = facts(5, categories=["A | B", "", "", "", ""])
    found = portrait(histories([0]), shop, Crowd.of(ALL, 5)).interests
    assert [one.weight for one in found] == [0.5, 0.5]


def at(*times: float) -> Histories:
    base = histories([0] * len(times))
    return replace(base, times=np.array(times), ordinal=False)


def test_activity_is_counted_in_the_platforms_time_zone() -> None:
    friday_23h = 4 * 86_400 - 3_600 - 2 * 86_400  # 2 January 1970, 23:00 UTC, a Friday
    utc = portrait(at(friday_23h), SHOP, CROWD)
    shanghai = portrait(at(friday_23h), SHOP, CROWD, zone="Asia/Shanghai")
    assert utc.by_weekday is not None
    assert utc.by_hour is not None
    assert shanghai.by_weekday is not None
    assert shanghai.by_hour is not None
    assert (utc.by_weekday.index(1), utc.by_hour.index(1)) == (4, 23)
    assert (shanghai.by_weekday.index(1), shanghai.by_hour.index(1)) == (5, 7)


def test_order_without_times_gives_no_hours() -> None:
    found = portrait(histories([0]), SHOP, CROWD)
    assert found.by_weekday is None
    assert found.by_hour is None


def test_events_are_counted_by_type() -> None:
    history = histories([0, 1, 1])
    events = np.array([0, EVENT_TYPES.index("purchase"), 0], dtype=np.int8)
    found = portrait(replace(history, events=events), SHOP, CROWD)
    assert found.by_event == {"view": 2, "purchase": 1}
    assert (found.events, found.items) == (3, 2)


def test_novelty_is_larger_for_items_that_fewer_users_met() -> None:
    crowd = portrait(histories([0]), SHOP, CROWD)
    alone = portrait(histories([3]), SHOP, CROWD)
    assert crowd.novelty == pytest.approx(-np.log2(3.5 / 4))
    assert alone.novelty == pytest.approx(-np.log2(1.5 / 4))


def test_a_user_without_events_has_an_empty_portrait() -> None:
    found = portrait(histories([]), SHOP, CROWD)
    assert (found.events, found.interests, found.by_event, found.novelty) == (0, (), {}, None)


def test_a_portrait_is_plain_json_with_item_ids() -> None:
    shop = facts(5, categories=["A", "A", "B", "", ""])
    found = portrait(histories([0, 1]), shop, Crowd.of(ALL, 5)).as_json(tuple("abcde"))
    assert json.loads(json.dumps(found))["interests"][0]["examples"] == ["b", "a"]


def test_a_text_names_the_strongest_interests_that_its_item_belongs_to() -> None:
    shop = facts(5, categories=["A", "B", "C", "B | C", "D"])
    found = portrait(histories([2, 1, 1, 0, 0, 0]), shop, Crowd.of(ALL, 5))
    named = {item: [one.label for one in named_interests(found, shop, item)] for item in (1, 3, 4)}
    assert named == {1: ["B"], 3: ["B", "C"], 4: ["A", "B"]}  # D is no interest: the strongest
    assert [one.label for one in named_interests(found, shop, 3, 1)] == ["B"]
    assert named_interests(portrait(histories([]), shop, Crowd.of(ALL, 5)), shop, 1) == ()
