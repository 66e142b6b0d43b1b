import numpy as np
import pytest

from clients.data.dataset import Catalogue
from clients.recommenders.errors import NotFittedError
from clients.recommenders.tfidf import TfIdf, tfidf_vectors
from tests.clients.recommenders.small_data import catalogue, histories


def test_vectors_are_binary_in_words_weighted_by_rarity_and_of_unit_length() -> None:
    found = tfidf_vectors(["Red red lamp", "lamp!", "desk", ""]).toarray()
    red, lamp = np.log(4 / 1), np.log(4 / 2)
    norm = np.hypot(red, lamp)
    assert found[0] == pytest.approx([red / norm, lamp / norm, 0])
    assert found[1] == pytest.approx([0, 1, 0])
    assert found[3].tolist() == [0, 0, 0]


def test_a_word_that_every_item_has_says_nothing() -> None:
    assert not np.any(tfidf_vectors(["shop", "shop"]).toarray())


def test_scores_favour_items_with_the_words_of_recent_items() -> None:
    items = catalogue("red lamp", "blue desk", "red chair", "blue chair")
    found = TfIdf().fit(histories([0]), items).scores(histories([1, 0], [0, 1]))
    assert found[0, 2] > found[0, 3]
    assert found[1, 3] > found[1, 2]


def test_score_is_the_decayed_sum_of_cosines() -> None:
    items = catalogue("red", "blue", "red", "green")
    found = TfIdf(decay=0.5).fit(histories(), items).scores(histories([0, 1]))[0]
    assert found == pytest.approx([0.5, 1, 0.5, 0], abs=1e-6)


def test_categories_are_words_too_and_descriptions_are_not() -> None:
    items = Catalogue(
        item_ids=("1", "2", "3"),
        titles=("a", "b", "c"),
        categories=("toys", "toys", ""),
        descriptions=("", "", "toys"),
    )
    found = TfIdf().fit(histories(), items).scores(histories([0]))[0]
    assert found[1] > 0.05
    assert found[2] == 0.0


def test_a_catalogue_without_any_text_scores_zero() -> None:
    found = TfIdf().fit(histories(), catalogue("", "")).scores(histories([0]))
    assert found.tolist() == [[0, 0]]


def test_scores_before_fitting_are_refused() -> None:
    with pytest.raises(NotFittedError):
        TfIdf().scores(histories([0]))
