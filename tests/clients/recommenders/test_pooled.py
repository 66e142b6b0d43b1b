"""Recommenders that score with the federation's released statistics."""

import numpy as np
import pytest

from clients.recommenders.errors import NotFittedError
from clients.recommenders.pooled import (
    POOLED_KNN,
    POOLED_POPULARITY,
    PooledCounts,
    PooledItemKNN,
    PooledPopularity,
)
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


def test_pairs_become_a_part_only_where_some_are_believed() -> None:
    counts = PooledCounts(
        popularity=np.array([3.0, 2.0]),
        places=np.array([1, -1, 0]),
        frequent=np.array([0, 1]),
        pairs=np.zeros((2, 2)),
    )
    assert set(counts.recommenders()) == {POOLED_POPULARITY}


def test_pairs_are_looked_up_under_the_nodes_own_item_numbers() -> None:
    counts = PooledCounts(
        popularity=np.array([4.0, 4.0]),
        places=np.array([1, -1, 0]),
        frequent=np.array([0, 1]),
        pairs=np.array([[0.0, 8.0], [8.0, 0.0]]),
    )
    knn = counts.recommenders()[POOLED_KNN].fit(histories(), catalogue("x", "y", "z"))
    assert knn.scores(histories([2])).argmax() == 0


def _knn() -> PooledItemKNN:
    pairs = np.array([[2.0, 4.0, 0.0], [4.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    return PooledItemKNN(pairs, np.array([4.0, 9.0, 1.0]), np.array([0, 0, 1, 2, -1]))


SHOP = catalogue("a", "b", "c", "d", "e")


@pytest.mark.parametrize("history", [[0, 2, 1], [4], [3, 3, 0], []])
def test_looked_up_and_explained_scores_are_those_of_the_whole_catalogue(
    history: list[int],
) -> None:
    knn, one = _knn().fit(histories([0, 3, 3, 4]), SHOP), histories(history)
    scores = knn.scores(one)[0]
    everything = np.arange(5)
    np.testing.assert_allclose(knn.lookup(one).at(everything), scores, rtol=1e-6)
    assert knn.lookup(one).total == pytest.approx(scores.sum(), rel=1e-6)
    found = knn.evidence(one, everything)
    np.testing.assert_allclose(found.events.sum(axis=1) + found.rest, scores, rtol=1e-6)


def test_both_parts_come_back_from_a_file_as_they_were() -> None:
    knn = _knn().fit(histories([0, 3]), SHOP)
    again = PooledItemKNN().restore(knn.state())
    np.testing.assert_array_equal(again.scores(histories([1])), knn.scores(histories([1])))
    popular = PooledPopularity(np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1, 2, -1]))
    state = popular.fit(NOBODY, SHOP).state()
    assert PooledPopularity().restore(state).scores(NOBODY).shape == (0, 5)
    assert PooledPopularity().restore(state).state()["scores"][3] == 1.0
