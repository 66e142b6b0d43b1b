"""Cold items: those that no training event is about, whatever their text says."""

from __future__ import annotations

import pytest

from clients.recommenders.cold_items import ColdItems
from clients.recommenders.errors import NotFittedError
from tests.clients.recommenders.small_data import catalogue, histories

SHOP = catalogue("red tea", "green tea", "tea pot", "")


def test_items_without_a_training_event_are_cold() -> None:
    cold = ColdItems().fit(histories([0, 2], [2], []), SHOP)
    assert cold.mask.tolist() == [False, True, False, True]
    assert cold.scores(histories([1], [3])).tolist() == [[0, 1, 0, 1]] * 2


def test_what_a_user_does_later_warms_nothing_until_the_next_fit() -> None:
    cold = ColdItems().fit(histories([0]), SHOP)
    assert cold.lookup(histories([1])).at(cold.mask.nonzero()[0]).tolist() == [1, 1, 1]
    assert cold.fit(histories([0], [1]), SHOP).mask.tolist() == [False, False, True, True]


def test_a_catalogue_of_which_nothing_was_met_is_cold() -> None:
    assert ColdItems().fit(histories([], []), SHOP).mask.all()


def test_nobody_looked_yet() -> None:
    with pytest.raises(NotFittedError):
        _ = ColdItems().mask
