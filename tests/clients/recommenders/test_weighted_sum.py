import pytest

from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.tfidf import TfIdf
from clients.recommenders.weighted_sum import ItemKNNPlusTfIdf
from tests.clients.recommenders.small_data import catalogue, histories

ITEMS = catalogue("red lamp", "blue desk", "red chair", "blue chair")
TRAINING = histories([0, 1], [0, 1, 2], [2, 3])


def test_score_is_item_knn_plus_half_tfidf_over_the_decayed_history() -> None:
    contexts = histories([1, 0], [3])
    knn = ItemKNN(0.8).fit(TRAINING, ITEMS).scores(contexts)
    text = TfIdf(0.8).fit(TRAINING, ITEMS).scores(contexts)
    found = ItemKNNPlusTfIdf().fit(TRAINING, ITEMS).scores(contexts)
    assert found == pytest.approx(knn + 0.5 * text)


def test_text_recommends_what_nobody_met() -> None:
    found = ItemKNNPlusTfIdf().fit(histories([0, 1]), ITEMS).scores(histories([0]))[0]
    assert found[2] > found[3]
