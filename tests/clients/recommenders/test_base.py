import numpy as np
import pytest

from clients.recommenders.base import ages, history_matrix, relative_popularity
from tests.clients.recommenders.small_data import histories


def test_age_counts_later_events_of_the_same_user() -> None:
    assert ages(histories([4, 4, 4], [], [1, 2])).tolist() == [2, 1, 0, 1, 0]


def test_matrix_is_binary_without_decay() -> None:
    matrix = history_matrix(histories([0, 2, 2], []), 4).toarray()
    assert matrix.tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]


def test_decay_weighs_recent_items_more_and_adds_repeats() -> None:
    matrix = history_matrix(histories([2, 0, 2]), 3, decay=0.5).toarray()
    assert matrix.tolist() == [[0.5, 0, 1.25]]


def test_popularity_is_relative_to_the_most_popular_item() -> None:
    found = relative_popularity(histories([0, 1], [1, 2], [1], [1]), 4)
    assert found == pytest.approx([0.25, 1, 0.25, 0])


def test_no_events_no_popularity() -> None:
    assert not np.any(relative_popularity(histories(), 3))
