"""From catalogue, portrait and explanation to a text."""

from __future__ import annotations

from dataclasses import replace

from clients.profile import Crowd, named_interests, portrait
from clients.text.assemble import blurb_facts, explanation_facts, interests_facts
from clients.text.writer import TextWriter
from tests.clients.ranking.shop import facts
from tests.clients.recommenders.small_data import catalogue, histories

CATEGORIES = ("Drinks | Tea", "Drinks | Tea", "Drinks | Coffee", "Pots")
SHOP = replace(catalogue("Green tea", "Red tea", "Espresso", ""), categories=CATEGORIES)
FACTS = facts(4, categories=CATEGORIES)
PORTRAIT = portrait(histories([0, 2, 1]), FACTS, Crowd.of(histories([0, 1, 2, 3]), 4))
WRITER = TextWriter(None)


def test_a_summary_names_interests_with_the_latest_titles() -> None:
    text = WRITER.write(interests_facts(PORTRAIT, SHOP)).text
    assert "Tea, for example “Red tea” and “Green tea”." in text
    assert "You also like Coffee, for example “Espresso”." in text


def test_a_blurb_names_the_interests_that_the_item_belongs_to() -> None:
    text = WRITER.write(blurb_facts(2, SHOP, named_interests(PORTRAIT, FACTS, 2))).text
    assert text == "If you like Coffee, take a look at “Espresso”, from Coffee."


def test_an_explanation_names_the_deeds() -> None:
    text = WRITER.write(explanation_facts(1, SHOP, ["viewed “Green tea”"])).text
    assert text == "Because you viewed “Green tea”, we suggest “Red tea”, from Tea."


def test_an_item_without_a_title_is_called_by_its_id() -> None:
    assert blurb_facts(3, SHOP).title == "i3"
