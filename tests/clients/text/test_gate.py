"""The gate: what the facts do not say does not pass."""

from __future__ import annotations

import pytest

from clients.explaining.wording import Language
from clients.text.facts import InterestsText, ItemText, cleaned
from clients.text.gate import refusal
from tests.clients.text.facts_for_tests import TASTES, WHY

SHOE = ItemText(
    title="Trail Shoe 2000",
    category="Running",
    about="Cushioned for 40 miles",
    interests=("Hiking",),
)
XIE = ItemText(
    title="跑鞋", category="跑步装备", about="透气减震，适合马拉松", interests=("马拉松",)
)


def verdict(
    text: str, facts: ItemText | InterestsText = SHOE, language: Language = "en"
) -> str | None:
    return refusal(text, cleaned(facts, language), language)


@pytest.mark.parametrize(
    "text",
    [
        "Since you like Hiking, try “Trail Shoe 2000”, cushioned for 40 miles.",
        'You may like "Trail Shoe 2000".',
        "“Trail Shoe 2000” is for hiking and running.",
    ],
)
def test_what_the_facts_say_passes(text: str) -> None:
    assert verdict(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("Try “Trail Shoe 2000”. " * 40, "long"),
        ("Try “Trail Shoe 2000”\nnow.", "shape"),
        ("Try “Trail Shoe 2000” at https://evil.example.", "shape"),
        ("Try <b>“Trail Shoe 2000”</b>.", "shape"),
        ("You may like Running.", "title"),
        ("Try “Road Shoe” and “Trail Shoe 2000”.", "quote"),
        ("Try “Trail Shoe 2000”, cushioned for 41 miles.", "number"),
        ("Try “Trail Shoe 2000”, for 2000 miles.", "number"),
        ("Try “Trail Shoe 2000”, the best for Hiking.", "word"),
        ("Try “Trail Shoe 2000”, cheap and guaranteed.", "word"),
        ("Try “Trail Shoe 2000” by Nike.", "word"),
        ("Try “Trail Shoe 2000”, a trail shoe.", "word"),
        ("Do not try “Trail Shoe 2000”.", "word"),
        ("Try “Trail Shoe 2000” “.", "word"),
    ],
)
def test_what_they_do_not_say_is_refused(text: str, why: str) -> None:
    assert verdict(text) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("喜欢马拉松的您，不妨看看《跑鞋》，透气减震。", None),
        ("如果您喜欢马拉松，推荐《跑鞋》。", None),
        ("推荐《跑鞋》，史上最佳。", "word"),
        ("推荐《跑鞋》和《球鞋》。", "quote"),
        ("推荐跑步装备。", "title"),
        ("推荐《跑鞋》，42公里。", "number"),
    ],
)
def test_chinese(text: str, why: str | None) -> None:
    assert verdict(text, XIE, "zh") == why


def test_an_explanation_may_quote_what_the_user_did_and_nothing_else() -> None:
    assert verdict("Because you bought “Tent”, we suggest “Trail Shoe”.", WHY) is None
    assert verdict("Because you bought “Boat”, we suggest “Trail Shoe”.", WHY) == "quote"


def test_a_summary_of_interests_may_quote_its_examples() -> None:
    assert verdict("You like Hiking, such as “Map”.", TASTES) is None
    assert verdict("You like Sailing.", TASTES) == "word"
