"""Advice: list, explanations, texts and portrait belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clients.advice import Advice, Adviser, Scores, Wish
from clients.data.dataset import Histories
from clients.ranking.config import FreshnessConfig, PrerequisiteConfig, RankingConfig
from clients.ranking.request import Filters
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import Fusion
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.popularity import Popularity
from clients.text.writer import TextWriter
from shared.contract import EVENT_TYPES
from tests.clients.recommenders.small_data import catalogue, histories
from tests.clients.text.facts_for_tests import Scripted

CATEGORIES = ("Tea", "Tea", "Tea pots", "Coffee pots", "Coffee", "Sugar")
SHOP = replace(
    catalogue("red tea", "green tea", "tea pot", "coffee pot", "coffee beans", "sugar"),
    categories=CATEGORIES,
)
TRAINING = histories([0, 1, 2], [1, 2, 0], [3, 4], [4, 3, 5], [0, 2], [4, 5])
VECTORS = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
FUSION = Fusion(
    {
        "item_knn": Part(ItemKNN(0.8).fit(TRAINING, SHOP), "shares"),
        "popularity": Part(Popularity().fit(TRAINING, SHOP), "shares"),
    },
    {"item_knn": 1.0, "popularity": 0.5},
)
CONFIG = RankingConfig(freshness=FreshnessConfig(weight=0.5, attribute="came"))
CAME = ["0", "0", "0", "", "1970-01-01", "2001-09-09T01:46:40"]
ADVISER = Adviser(SHOP, TRAINING, VECTORS, CONFIG, TextWriter(None), {"came": CAME})


def scored(history: Histories, items: list[int] | None = None) -> Scores:
    chosen = np.array(items if items is not None else range(6), dtype=np.int64)
    summands = {name: rows[0, chosen] for name, rows in FUSION.contributions(history).items()}
    return Scores(chosen, FUSION.parts, summands)


def advised(
    history: Histories, wish: Wish, adviser: Adviser = ADVISER, **filters: object
) -> Advice:
    situation = adviser.situation(history, 1e9, filters=Filters.model_validate(filters))
    return adviser.advise(scored(history), history, situation, 3, wish)


def test_explanations_add_up_to_the_totals_of_the_list() -> None:
    advice = advised(histories([0, 3]), Wish(explain=True))
    totals = [place.total for place in advice.answer.ranked.items]
    assert [one.total for one in advice.explanations] == pytest.approx(totals, abs=1e-4)
    assert [one.item for one in advice.explanations] == [p.item for p in advice.answer.ranked.items]


def test_an_index_that_found_a_few_items_in_any_order_is_enough() -> None:
    history = histories([0, 3])
    situation = ADVISER.situation(history, 1e9)
    whole = advised(history, Wish(explain=True), only=("i4", "i2"))
    few = ADVISER.advise(scored(history, [4, 2]), history, situation, 3, Wish(explain=True))
    assert few.explanations == whole.explanations
    assert few.answer.ranked.items == whole.answer.ranked.items


def test_sentences_say_what_the_list_rests_on() -> None:
    advice = advised(histories([0]), Wish(explain=True), only=("i2",))
    assert advice.sentences == ("Because you viewed “red tea”.",)
    assert advice.texts == ()


def test_texts_explain_or_describe() -> None:
    history = histories([0, 1])
    why = advised(history, Wish(text="explanation"), only=("i2",)).texts
    assert "we suggest “tea pot”, from Tea pots." in why[0].text
    blurb = advised(history, Wish(text="blurb", language="zh"), only=("i2",)).texts
    assert blurb[0].text == "如果您喜欢Tea，不妨看看《tea pot》，属于Tea pots。"


def test_a_blurb_names_the_strongest_interest_of_the_item_or_else_of_all() -> None:
    history = histories([0, 4, 3])
    strongest = ADVISER.portrait(history).interests[0].label
    for item, topic in (("i5", strongest), ("i1", "Tea")):
        text = advised(history, Wish(text="blurb"), only=(item,)).texts[0].text
        assert text.startswith(f"If you like {topic}")


def test_all_texts_of_a_request_share_their_time() -> None:
    model = Scripted(lambda a: "x")
    adviser = Adviser(SHOP, TRAINING, VECTORS, CONFIG, TextWriter(model, seconds=0), {"came": CAME})
    advice = advised(histories([0]), Wish(text="blurb"), adviser)
    assert {s.reason for text in advice.texts for s in text.sentences} == {"late"}


def test_without_scores_there_is_a_list_and_a_note() -> None:
    history = histories([0])
    situation = ADVISER.situation(history, 1e9)
    advice = ADVISER.advise(None, history, situation, 2, Wish(explain=True, text="blurb"))
    assert advice.answer.fallback == "no_model"
    assert advice.note.startswith("No model is loaded")
    assert advice.sentences == (advice.note,) * 2
    assert advice.explanations == ()
    assert len(advice.texts) == 2


def test_a_new_user_is_told_so_in_chinese_too() -> None:
    advice = advised(histories([]), Wish(explain=True, language="zh"))
    assert advice.answer.fallback == "new_user"
    assert set(advice.sentences) == {"暂无浏览记录，为您推荐本平台的热门内容。"}


def test_only_completing_events_complete() -> None:
    config = RankingConfig(prerequisites=PrerequisiteConfig(attribute="needs"))
    columns = {"needs": ["", "", "i0", "", "", ""]}
    adviser = Adviser(SHOP, TRAINING, VECTORS, config, TextWriter(None), columns)
    history = histories([0, 1])
    events = np.array([EVENT_TYPES.index(e) for e in ("complete", "view")], dtype=np.int8)
    situation = adviser.situation(replace(history, events=events), 0.0)
    assert situation.completed.tolist() == [0]


def test_similar_items_leave_out_the_item_itself() -> None:
    situation = ADVISER.situation(histories([]), 0.0)
    ranked, by_text = ADVISER.similar(2, situation, 5)
    assert by_text
    assert 2 not in [place.item for place in ranked.items]
    assert len(ranked) == 5


def test_an_item_that_just_came_is_lifted_by_what_the_column_says() -> None:
    places = advised(histories([0, 3]), Wish(), only=("i4", "i5")).answer.ranked.items
    lifted = {place.item: place.adjustments.get("freshness", 0.0) for place in places}
    assert lifted[5] == pytest.approx(0.5)
    assert lifted[4] == pytest.approx(0.0, abs=1e-6)


def test_a_portrait_can_be_put_into_words() -> None:
    found = ADVISER.portrait(histories([0, 1, 4]))
    assert ADVISER.summary(found, "en").text == (
        "You often come back to Tea, for example “green tea” and “red tea”. "
        "You also like Coffee, for example “coffee beans”."
    )
