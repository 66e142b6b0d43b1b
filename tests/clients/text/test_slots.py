"""Slots: every sentence that they can build is faithful, and the grammar builds no other."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.explaining.wording import Language
from clients.text.facts import Facts, Interest, InterestsText, ItemText, cleaned
from clients.text.gate import LONGEST, refusal
from clients.text.slots import Slots, grammar, sentences, template
from tests.clients.text.facts_for_tests import BLURB, TASTES, WHY

labels = st.text(max_size=30)
deeds = st.sampled_from([(), ("viewed “Map”",), ("viewed “Map”", "bought “Tent”")])
items = st.builds(
    ItemText,
    title=st.text(max_size=100),
    category=labels,
    about=st.text(max_size=200),
    interests=st.lists(labels, max_size=3).map(tuple),
)
interests = st.builds(Interest, labels, st.lists(st.text(max_size=40), max_size=3).map(tuple))
tastes = st.builds(InterestsText, st.lists(interests, max_size=3).map(tuple))


def every(slots: Slots) -> list[str]:
    return ["".join(parts) for parts in product(*slots)]


@given(facts=st.one_of(items, tastes), language=st.sampled_from(["en", "zh"]))
@settings(deadline=None, max_examples=150)
def test_whatever_the_catalogue_holds_the_template_passes_the_gate(
    facts: Facts, language: Language
) -> None:
    clean = cleaned(facts, language)
    for slots in sentences(clean, language):
        text = template(slots)
        assert len(text) > LONGEST or refusal(text, clean, language) is None, text


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("facts", [BLURB, WHY, TASTES], ids=["blurb", "why", "tastes"])
def test_every_sentence_that_can_be_built_passes_the_gate(facts: Facts, language: Language) -> None:
    if facts is WHY and language == "zh":
        facts = ItemText(title="跑鞋", category="跑步", deeds=("浏览过《地图》", "购买过《帐篷》"))
    clean = cleaned(facts, language)
    built = [text for slots in sentences(clean, language) for text in every(slots)]
    assert len(built) > 5
    assert [text for text in built if refusal(text, clean, language)] == []


def test_templates_read_as_they_should() -> None:
    def written(facts: Facts, language: Language = "en") -> list[str]:
        return [template(s) for s in sentences(cleaned(facts, language), language)]

    assert written(BLURB) == [
        "If you like Hiking and Running, take a look at “Trail Shoe”, from Running."
    ]
    assert written(WHY) == [
        "Because you viewed “Map” and bought “Tent”, we suggest “Trail Shoe”, from Running."
    ]
    assert written(TASTES) == [
        "You often come back to Hiking, for example “Map” and “Tent”.",
        "You also like Running.",
    ]
    assert written(BLURB, "zh") == [
        "如果您喜欢Hiking和Running，不妨看看《Trail Shoe》，属于Running。"
    ]
    assert written(ItemText(title="X", about="Red. Blue.")) == ["You may like “X”: Red."]


def test_the_grammar_lists_exactly_the_alternatives() -> None:
    rules = dict(line.split(" ::= ", 1) for line in grammar(sentences(BLURB, "en")[0]).splitlines())
    assert rules["root"].startswith('" " s0 s1')
    alternatives = [json.loads(one) for one in rules["s1"].split(" | ")]
    assert alternatives == ["Hiking and Running", "Running and Hiking", "Hiking", "Running"]


def test_quotes_and_backslashes_cannot_leave_their_place_in_the_grammar() -> None:
    facts = cleaned(ItemText(title='a" | root ::= [^x]* \\ "b'), "en")
    (slots,) = sentences(facts, "en")
    line = next(r for r in grammar(slots).splitlines() if r.startswith("s1 ::= "))
    assert json.loads(line.removeprefix("s1 ::= ")) == slots[1][0]
