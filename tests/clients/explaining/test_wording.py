"""Sentences: what was done with what, in two languages, without what titles may smuggle in."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.explaining.explanation import EventReason, Explanation
from clients.explaining.wording import _DID, Language, plain_title, sentence
from shared.contract import EVENT_TYPES

TITLES = ("Red tea", "Tea pot", "Green tea")


def explanation(*reasons: tuple[int, str, float], **adjustments: float) -> Explanation:
    return Explanation(
        item=2,
        parts={},
        rest={},
        adjustments=adjustments,
        reasons=tuple(
            EventReason(item=item, event=EVENT_TYPES.index(event), value=value, parts={})
            for item, event, value in reasons
        ),
    )


def test_the_two_that_matter_most_are_named_with_what_was_done() -> None:
    found = explanation((0, "view", 2.0), (1, "purchase", 1.0), (2, "like", 0.5))
    assert sentence(found, TITLES) == "Because you viewed “Red tea” and bought “Tea pot”."
    assert sentence(found, TITLES, "zh") == "因为您浏览过《Red tea》，也购买过《Tea pot》。"


def test_what_speaks_against_an_item_is_no_reason() -> None:
    found = explanation((0, "view", -2.0))
    assert sentence(found, TITLES) == "Popular with other users here."


def test_new_items_say_so_where_nothing_else_speaks_for_them() -> None:
    assert sentence(explanation(freshness=1.0), TITLES) == "New here."
    assert sentence(explanation(freshness=1.0), TITLES, "zh") == "新近上架。"


@pytest.mark.parametrize("language", get_args(Language))
def test_every_event_type_has_words(language: Language) -> None:
    assert set(_DID[language]) == set(EVENT_TYPES)


@given(title=st.text(max_size=300), language=st.sampled_from(["en", "zh"]))
def test_a_title_is_one_short_line_in_one_pair_of_marks(title: str, language: Language) -> None:
    shown = plain_title(title, language)
    assert len(shown) <= 82
    assert len(shown.splitlines()) == 1
    assert not any(mark in shown[1:-1] for mark in "“”《》\u202e\u200b\x00")


def test_a_title_cannot_act_as_a_template() -> None:
    found = explanation((0, "view", 1.0))
    assert sentence(found, ("{0.__class__} {}",)) == "Because you viewed “{0.__class__} {}”."
