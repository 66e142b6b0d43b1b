import numpy as np
import pytest
from scipy import sparse

from clients.recommenders.errors import NotFittedError
from clients.recommenders.item_knn import ItemKNN, strongest
from tests.clients.recommenders.small_data import catalogue, histories

ITEMS = catalogue("a", "b", "c", "d")
TRAINING = histories([0, 1], [0, 1, 2], [0], [2, 3])


def test_score_is_the_sum_of_cosines_to_the_history() -> None:
    found = ItemKNN().fit(TRAINING, ITEMS).scores(histories([1, 3]))[0]
    # users of the items: a 3, b 2, c 2, d 1; together: ab 2, bc 1, cd 1
    expected = [2 / np.sqrt(6), 0, 1 / 2 + 1 / np.sqrt(2), 0]
    assert found == pytest.approx(expected, abs=1e-5)


def test_decay_lets_the_latest_items_speak_louder() -> None:
    found = ItemKNN(decay=0.5).fit(TRAINING, ITEMS).scores(histories([1, 3]))[0]
    assert found[2] == pytest.approx(0.5 / 2 + 1 / np.sqrt(2), abs=1e-5)


def test_shrinkage_pulls_down_similarities_that_rest_on_few_users() -> None:
    found = ItemKNN(shrinkage=1.0).fit(TRAINING, ITEMS).scores(histories([1]))[0]
    assert found[0] == pytest.approx(2 / (np.sqrt(6) + 1), abs=1e-5)
    assert found[2] == pytest.approx(1 / 3, abs=1e-5)


def test_only_the_nearest_neighbours_of_an_item_are_kept() -> None:
    found = ItemKNN(neighbours=1).fit(TRAINING, ITEMS).scores(histories([1]))[0]
    assert found[0] > 0.8
    assert found[2] < 1e-5


def test_strongest_keeps_the_largest_of_each_row_and_the_first_of_equals() -> None:
    matrix = sparse.csr_array(np.array([[1.0, 3, 2, 0], [5, 5, 5, 0], [0, 0, 0, 7]]))
    assert strongest(matrix, 2).toarray().tolist() == [[0, 3, 2, 0], [5, 5, 0, 0], [0, 0, 0, 7]]


def test_an_item_that_nobody_met_is_similar_to_nothing() -> None:
    found = ItemKNN().fit(histories([0, 1]), ITEMS).scores(histories([3], []))
    assert np.all(found < 1e-5)
    assert np.all(np.isfinite(found))


def test_scores_before_fitting_are_refused() -> None:
    with pytest.raises(NotFittedError):
        ItemKNN().scores(histories([0]))
