"""Recommenders that score with the federation's released statistics."""

import numpy as np
import pytest

from clients.recommenders.errors import NotFittedError
from clients.recommenders.pooled import PooledItemKNN, PooledPopularity
from tests.clients.recommenders.small_data import catalogue, histories

ITEMS = catalogue("a", "b", "c", "d")
NOBODY = histories()


def test_pooled_popularity_follows_the_release_and_unshared_items_score_zero() -> None:
    places = np.array([2, -1, 0, 1])
    scorer = PooledPopularity(np.array([3.0, -4.0, 6.0]), places).fit(NOBODY, ITEMS)
    assert scorer.scores(histories([1])).tolist() == [[1.0, 0.0, 0.5, 0.0]]


def test_pooled_neighbours_are_released_pairs_over_popularity() -> None:
    pairs = np.array([[0.0, 12.0, 5.0], [12.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    places = np.array([1, -1, -1, 0])  # the third article is not carried here
    knn = PooledItemKNN(pairs, np.array([16.0, 9.0, 4.0]), places).fit(NOBODY, ITEMS)
    scores = knn.scores(histories([0]))[0]
    assert scores[3] == pytest.approx(1.0)
    assert scores[:3].tolist() == [0.0, 0.0, 0.0]


def test_older_items_of_the_history_count_less() -> None:
    pairs = np.array([[0.0, 4.0], [4.0, 0.0]])
    knn = PooledItemKNN(pairs, np.array([4.0, 4.0]), np.array([0, 1, -1, -1]), decay=0.5)
    scores = knn.fit(NOBODY, ITEMS).scores(histories([0, 2], [2, 0]))
    assert scores[:, 1].tolist() == [0.5, 1.0]


def test_the_items_of_a_cluster_share_its_popularity_and_its_neighbours() -> None:
    places = np.array([0, 0, 1, -1])
    popularity = PooledPopularity(np.array([8.0, 2.0]), places).fit(NOBODY, ITEMS)
    assert popularity.scores(histories([3])).tolist() == [[1.0, 1.0, 0.5, 0.0]]
    pairs = np.array([[2.0, 4.0], [4.0, 0.0]])
    knn = PooledItemKNN(pairs, np.array([4.0, 4.0]), places).fit(NOBODY, ITEMS)
    assert knn.scores(histories([0])).tolist() == [[0.5, 0.5, 1.0, 0.0]]


def test_scores_before_fitting_are_refused() -> None:
    with pytest.raises(NotFittedError):
        PooledPopularity(np.zeros(1), np.zeros(4, dtype=np.int64)).scores(NOBODY)
    with pytest.raises(NotFittedError):
        PooledItemKNN(np.zeros((1, 1)), np.zeros(1), np.array([0])).scores(NOBODY)
