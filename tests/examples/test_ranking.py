"""What the configurations of the examples promise, on their generated catalogues."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import examples
from clients.data.dataset import Catalogue
from clients.ranking.config import RankingConfig
from clients.ranking.facts import ItemFacts
from clients.ranking.fallback import rank_or_fall_back
from clients.ranking.rank import Candidates
from clients.ranking.request import Filters, Situation
from clients.text.config import TextConfig
from examples.generate import platform_tables
from shared.config import parse, read_toml
from shared.contract import CATEGORIES, DESCRIPTION, ITEM, TITLE
from simulations.datasets.vocabulary import Field

FOLDER = Path(examples.__file__).parent
ITEMS = 150


def configuration(field: Field) -> RankingConfig:
    values = read_toml(FOLDER / field / "node.toml")
    return parse(RankingConfig, values["ranking"], where=field)


@cache
def platform(field: Field) -> tuple[pa.Table, ItemFacts]:
    _, table = platform_tables(field, users=20, items=ITEMS, seed=3)
    columns = table.to_pydict()
    texts = {name: tuple(columns.pop(name)) for name in (ITEM, TITLE, CATEGORIES, DESCRIPTION)}
    catalogue = Catalogue(
        item_ids=texts[ITEM],
        titles=texts[TITLE],
        categories=texts[CATEGORIES],
        descriptions=texts[DESCRIPTION],
    )
    vectors = np.random.default_rng(0).normal(size=(ITEMS, 16)).astype(np.float32)
    return table, ItemFacts.of(catalogue, vectors, configuration(field), columns)


def listed(field: Field, situation: Situation, seed: int = 0, *, model: bool = True) -> list[int]:
    """A list of 20 for random scores."""
    _, facts = platform(field)
    scores = np.random.default_rng(seed).normal(size=ITEMS)
    candidates = Candidates(np.arange(ITEMS), scores) if model else None
    answer = rank_or_fall_back(
        candidates, situation, facts, configuration(field), np.ones(ITEMS), 20
    )
    return [place.item for place in answer.ranked.items]


@pytest.mark.parametrize("field", get_args(Field))
def test_the_text_section_is_valid(field: Field) -> None:
    parse(TextConfig, read_toml(FOLDER / field / "node.toml")["text"], where=field)


@given(
    own=st.one_of(st.none(), st.integers(0, 7)),
    dial=st.floats(0, 1),
    seed=st.integers(0, 999),
    model=st.booleans(),
    seen=st.sampled_from([0, 5, ITEMS]),
)
@settings(deadline=None, max_examples=80)
def test_no_financial_product_above_the_users_class_ever(
    own: int | None, dial: float, seed: int, model: bool, seen: int
) -> None:
    situation = Situation(
        now=0.0,
        seen=np.arange(seen),
        diversity=dial,
        filters=Filters(suitability_class=own),
    )
    classes = platform("finance")[0].column("risk_class").to_pylist()
    shown = listed("finance", situation, seed, model=model)
    assert all(classes[item] <= (1 if own is None else own) for item in shown)
    assert bool(shown) == (own != 0)


def test_courses_wait_until_what_they_build_upon_is_completed() -> None:
    table, _ = platform("education")
    needs, ids = table.column("requires").to_pylist(), table.column(ITEM).to_pylist()
    course = next(item for item, need in enumerate(needs) if need)
    first, only = ids.index(needs[course]), Filters(only=(ids[course],))
    waiting = Situation(now=0.0, seen=np.array([first]), filters=only)
    ready = Situation(now=0.0, seen=np.array([first]), completed=np.array([first]), filters=only)
    assert listed("education", waiting) == []
    assert listed("education", ready) == [course]


def test_the_shop_never_shows_what_is_sold_out_and_mixes_its_shelves() -> None:
    table, facts = platform("ecommerce")
    stock = table.column("stock").to_pylist()
    shown = listed("ecommerce", Situation(now=0.0, seen=np.array([0])))
    assert all(stock[item] > 0 for item in shown)
    assert np.bincount(facts.group[shown]).max() <= 4


def test_a_feed_holds_at_most_three_posts_of_a_topic() -> None:
    table, _ = platform("social")
    topics = [text.split(" | ")[0] for text in table.column(CATEGORIES).to_pylist()]
    shown = [topics[item] for item in listed("social", Situation(now=0.0, seen=np.array([0])))]
    assert max(shown.count(topic) for topic in shown) <= 3
    formats = Filters(attributes={"format": ("video",)})
    videos = listed("social", Situation(now=0.0, seen=np.array([0]), filters=formats))
    assert {table.column("format")[item].as_py() for item in videos} == {"video"}
