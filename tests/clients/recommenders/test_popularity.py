import pytest

from clients.recommenders.errors import NotFittedError
from clients.recommenders.popularity import Popularity
from tests.clients.recommenders.small_data import catalogue, histories


def test_everybody_gets_the_same_scores_by_number_of_events() -> None:
    model = Popularity().fit(histories([0, 1], [1]), catalogue("a", "b", "c"))
    assert model.scores(histories([2], [])).tolist() == [[0.5, 1, 0]] * 2


def test_with_a_half_life_what_users_did_last_counts_more() -> None:
    model = Popularity(half_life=1).fit(histories([0, 2, 1], [0, 1]), catalogue("a", "b", "c"))
    # item 0: 1/4 + 1/2, item 1: 1 + 1, item 2: 1/2
    assert model.scores(histories([0]))[0] == pytest.approx([0.375, 1, 0.25])


def test_scores_before_fitting_are_refused() -> None:
    with pytest.raises(NotFittedError):
        Popularity().scores(histories([0]))
