import numpy as np
import pytest

from clients.recommenders.errors import NotFittedError
from clients.recommenders.transitions import Transitions, consecutive_pairs
from tests.clients.recommenders.small_data import catalogue, histories

ITEMS = catalogue("a", "b", "c", "d")


def test_pairs_do_not_reach_from_one_user_to_the_next() -> None:
    source, target = consecutive_pairs(histories([0, 1, 2], [], [3], [2, 0]))
    assert list(zip(source.tolist(), target.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 0)]


def test_score_is_the_share_of_the_last_items_transitions() -> None:
    model = Transitions().fit(histories([0, 1], [0, 1], [3, 0, 2]), ITEMS)
    found = model.scores(histories([2, 0]))
    assert found[0] == pytest.approx([0, 2 / 3, 1 / 3, 0], abs=1e-5)


def test_popularity_orders_what_transitions_leave_tied() -> None:
    model = Transitions().fit(histories([0, 1], [3], [3], [2]), ITEMS)
    order = np.argsort(-model.scores(histories([0]))[0]).tolist()
    assert order[:2] == [1, 3]


def test_an_empty_history_is_ranked_by_popularity() -> None:
    model = Transitions().fit(histories([0, 1], [1]), ITEMS)
    found = model.scores(histories([], [0]))
    assert np.argmax(found[0]) == 1
    assert found[0].max() < 1e-5


def test_scores_before_fitting_are_refused() -> None:
    with pytest.raises(NotFittedError):
        Transitions().scores(histories([0]))
