"""Looking some items up says what scoring the catalogue says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.recommenders import postings
from clients.recommenders.base import Storable
from clients.recommenders.local_parts import LOCAL_PARTS
from clients.recommenders.lookup import Retrieving
from tests.clients.recommenders.small_data import catalogue, histories

WORDS = ("red tea", "green tea", "tea pot", "pot", "coffee", "coffee pot", "", "sugar", "red pot")
SHOP = catalogue(*WORDS)
ITEMS = len(WORDS)
TRAINING = histories([0, 1, 2], [1, 2, 0, 1], [3, 4], [4, 3, 5], [0, 2], [4, 5, 7])
FITTED = {name: make().fit(TRAINING, SHOP) for name, make in LOCAL_PARTS.items()}


@pytest.mark.parametrize("name", LOCAL_PARTS)
@given(history=st.lists(st.integers(0, ITEMS - 1), max_size=12), data=st.data())
@settings(deadline=None, max_examples=40)
def test_scores_and_their_sum_are_those_of_the_catalogue(
    name: str, history: list[int], data: st.DataObject
) -> None:
    one, part = histories(history), FITTED[name]
    assert isinstance(part, Retrieving)
    whole, lookup = part.scores(one)[0], part.lookup(one)
    items = np.array(data.draw(st.permutations(range(ITEMS))), dtype=np.int64)
    np.testing.assert_allclose(lookup.at(items), whole[items], rtol=1e-5, atol=1e-9)
    assert lookup.total == pytest.approx(whole.sum(), rel=1e-5)


@pytest.mark.parametrize("name", LOCAL_PARTS)
@given(history=st.lists(st.integers(0, ITEMS - 1), max_size=12))
@settings(deadline=None, max_examples=40)
def test_every_item_with_evidence_is_among_the_strongest(name: str, history: list[int]) -> None:
    one, part = histories(history), FITTED[name]
    assert isinstance(part, Retrieving)
    nothing = part.scores(histories([]))[0]
    gained = part.scores(one)[0] - nothing
    items, values = part.lookup(one).strongest()
    found = np.zeros(ITEMS)
    found[items] = values
    np.testing.assert_allclose(found, gained, rtol=1e-4, atol=1e-6)
    assert len(set(items.tolist())) == len(items)


def test_words_that_too_many_items_have_make_no_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postings, "READ", 3)
    lookup = LOCAL_PARTS["tfidf"]().fit(TRAINING, SHOP)
    assert isinstance(lookup, Retrieving)
    found = lookup.lookup(histories([8]))  # "red" is rarer than "pot"
    assert set(found.strongest()[0].tolist()) == {0, 8}
    assert (found.at(np.array([2, 3])) > 1e-3).all()


@pytest.mark.parametrize("make", LOCAL_PARTS.values())
def test_a_part_that_is_fitted_or_restored_again_forgets_what_it_looked_up(
    make: Callable[[], Storable],
) -> None:
    part, other = make().fit(TRAINING, SHOP), histories([8, 7, 6], [5, 5, 8])
    assert isinstance(part, Retrieving)
    part.lookup(histories([1]))
    for again in (part.fit(other, SHOP), part.restore(make().fit(TRAINING, SHOP).state())):
        assert isinstance(again, Retrieving)
        whole = again.scores(histories([1]))[0]
        lookup = again.lookup(histories([1]))
        np.testing.assert_allclose(lookup.at(np.arange(ITEMS)), whole, rtol=1e-5, atol=1e-9)
        assert lookup.total == pytest.approx(whole.sum(), rel=1e-5)
