"""Reactions: exposures tire and fade, clicks refresh, neighbours follow."""

from __future__ import annotations

import numpy as np
import pytest

from clients.ranking.config import FeedbackConfig
from clients.ranking.reactions import exposure, neighbour_effects, penalties, removed_items
from tests.clients.ranking.shop import DAY, NOW, facts, feedback

DEMOTE = FeedbackConfig(disliked="demote", dismissed="demote")


def test_exposures_add_up_and_half_of_each_is_left_after_a_half_life() -> None:
    items, counts = exposure(
        feedback((3, "shown", 0), (3, "shown", 2), (5, "shown", 4)), NOW, 2 * DAY
    )
    assert items.tolist() == [3, 5]
    assert counts.tolist() == pytest.approx([1.5, 0.25])


def test_a_click_makes_earlier_exposures_forgotten() -> None:
    items, counts = exposure(
        feedback((3, "shown", 5), (3, "clicked", 4), (3, "shown", 0)), NOW, DAY
    )
    assert items.tolist() == [3]
    assert counts.tolist() == pytest.approx([1.0])


def test_an_exposure_in_the_future_counts_once() -> None:
    assert exposure(feedback((0, "shown", -9)), NOW, DAY)[1].tolist() == [1.0]


def test_fatigue_is_a_penalty_for_each_exposure() -> None:
    config = FeedbackConfig(fatigue=0.5)
    found = penalties(feedback((2, "shown", 0), (2, "shown", 0)), NOW, config)
    assert found["fatigue"].tolist() == [[2.0], [-1.0]]


def test_no_feedback_changes_nothing() -> None:
    empty = feedback()
    assert penalties(empty, NOW, FeedbackConfig()) == {}
    assert not len(removed_items(empty, NOW, FeedbackConfig()))
    assert neighbour_effects(empty, np.arange(3), facts(3), NOW, FeedbackConfig()) == {}


def test_what_is_not_removed_is_demoted_once() -> None:
    reactions = feedback((1, "disliked", 0), (1, "dismissed", 0), (2, "dismissed", 99))
    assert penalties(reactions, NOW, DEMOTE)["demoted"].tolist() == [[1.0], [-4.0]]
    assert not len(removed_items(reactions, NOW, DEMOTE))
    assert removed_items(reactions, NOW, FeedbackConfig()).tolist() == [1]


def test_neighbours_of_a_disliked_item_lose_by_likeness_and_others_nothing() -> None:
    vectors = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    effects = neighbour_effects(
        feedback((0, "disliked", 0)),
        np.array([1, 2]),
        facts(3, vectors=vectors),
        NOW,
        FeedbackConfig(neighbours=2.0, neighbour_similarity=0.5),
    )
    assert effects["like_disliked"].tolist() == pytest.approx([-2.0 * 0.6, 0.0], abs=1e-6)


def test_many_dislikes_of_the_same_kind_weigh_no_more_than_the_nearest() -> None:
    shop, items = facts(3, vectors=np.ones((3, 2))), np.array([2])
    one = neighbour_effects(feedback((0, "disliked", 0)), items, shop, NOW, FeedbackConfig())
    two = neighbour_effects(
        feedback((0, "disliked", 0), (1, "disliked", 0)), items, shop, NOW, FeedbackConfig()
    )
    assert two["like_disliked"] == pytest.approx(one["like_disliked"])


def test_likes_raise_what_is_alike_and_fade() -> None:
    shop, items = facts(2, vectors=np.ones((2, 2))), np.array([1])
    config = FeedbackConfig(neighbour_half_life_days=10)
    now = neighbour_effects(feedback((0, "liked", 0)), items, shop, NOW, config)["like_liked"]
    later = neighbour_effects(feedback((0, "liked", 10)), items, shop, NOW, config)["like_liked"]
    assert now[0] == pytest.approx(1.0)
    assert later[0] == pytest.approx(0.5)
