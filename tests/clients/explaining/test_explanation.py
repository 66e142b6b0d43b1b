"""Explanations: every number adds up, and points at the right past item."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.data.dataset import Histories
from clients.explaining.errors import NotOneUserError
from clients.explaining.explanation import Explanation, explain
from clients.recommenders.base import Recommender
from clients.recommenders.behaviour import BehaviourScorer
from clients.recommenders.cold_items import ColdItems
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import COLD_PART, Fusion
from clients.recommenders.item_knn import ItemKNN
from clients.recommenders.popularity import Popularity
from clients.recommenders.tfidf import TfIdf
from clients.recommenders.transitions import Transitions
from clients.training.batches import recent_sequences
from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix
from tests.clients.recommenders.small_data import catalogue, histories

SHOP = catalogue("red tea", "green tea", "tea pot", "coffee pot", "coffee beans", "sugar")
TRAINING = histories([0, 1, 2], [1, 2, 0], [3, 4], [4, 3, 5], [0, 2], [4, 5])
CONFIG = BehaviourConfig(item_dim=8, adapter_dim=8, input_dim=6, hidden_dim=5, history_length=4)
ALL = np.arange(len(SHOP))


def behaviour(seed: int = 0) -> BehaviourScorer:
    """A behaviour model whose LSTM has a say."""
    generator = np.random.default_rng(seed)
    parameters = initial_parameters(CONFIG, 0)
    parameters = parameters + generator.normal(0, 0.3, len(parameters)).astype(np.float32)
    vectors = generator.normal(size=(len(SHOP), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    bias = torch.from_numpy(generator.normal(size=len(SHOP)).astype(np.float32))
    items = ItemMatrix(vectors=torch.from_numpy(vectors), bias=bias)
    return BehaviourScorer(CONFIG, parameters, items)


def unread(scorer: BehaviourScorer, history: Histories) -> np.ndarray:
    """(N,) logits for a history of which neither profile nor LSTM reads anything."""
    bias = scorer._items.bias
    assert bias is not None
    if not len(history.items):
        return bias.numpy()
    recent = recent_sequences(history, CONFIG.history_length)
    nothing = torch.zeros(1, len(recent.items))
    correction = scorer._model.correction_under(recent, scorer._items, nothing)[0]
    return (scorer._items.vectors @ correction + bias).numpy()


LOCAL: dict[str, Recommender] = {
    "popularity": Popularity(half_life=1.0).fit(TRAINING, SHOP),
    "transitions": Transitions().fit(TRAINING, SHOP),
    "item_knn": ItemKNN(0.8).fit(TRAINING, SHOP),
    "binary_item_knn": ItemKNN().fit(TRAINING, SHOP),
    "tfidf": TfIdf().fit(TRAINING, SHOP),
}


def fusion() -> Fusion:
    parts = {name: Part(scorer, "shares") for name, scorer in LOCAL.items()}
    never_met = histories([0, 1, 2], [3])  # items 4 and 5 are cold, and weighed apart
    parts[COLD_PART] = Part(ColdItems().fit(never_met, SHOP), "offset")
    return Fusion(
        {**parts, "lstm": Part(behaviour(), "logits")},
        {**dict.fromkeys(LOCAL, 0.4), "lstm": 0.7},
        {**dict.fromkeys(LOCAL, 0.3), "lstm": 0.9, COLD_PART: -0.5},
    )


def explained(history: Histories) -> tuple[list[Explanation], np.ndarray]:
    fused = fusion()
    summands = {name: rows[0] for name, rows in fused.contributions(history).items()}
    return explain(fused.parts, summands, history, ALL, len(SHOP)), fused.scores(history)[0]


@pytest.mark.parametrize("name", LOCAL)
@given(items=st.lists(st.integers(0, 5), max_size=6))
@settings(deadline=None, max_examples=25)
def test_evidence_adds_up_to_the_score_of_each_part(name: str, items: list[int]) -> None:
    history = histories(items)
    scorer = LOCAL[name]
    evidence = scorer.evidence(history, ALL)  # type: ignore[attr-defined]
    assert evidence.events.shape == (len(SHOP), len(items))
    total = evidence.events.sum(axis=1) + evidence.rest
    assert total == pytest.approx(scorer.scores(history)[0], abs=1e-6)


def test_item_knn_evidence_is_the_similarity_to_each_past_item() -> None:
    evidence = ItemKNN(0.5).fit(TRAINING, SHOP).evidence(histories([1, 3]), np.array([2, 4]))
    both = 2 / np.sqrt(2 * 3)  # items 1 and 2 met by two users each of 2 and 3
    assert evidence.events[0].tolist() == pytest.approx([0.5 * both, 0.0])
    assert evidence.events[1, 0] == 0.0
    assert evidence.events[1, 1] > 0


@given(items=st.lists(st.integers(0, 5), max_size=7), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=20)
def test_integrated_gradients_are_complete(items: list[int], seed: int) -> None:
    scorer, history = behaviour(seed), histories(items)
    evidence, score = scorer.evidence(history, ALL), scorer.scores(history)[0]
    assert evidence.events.sum(axis=1) + evidence.rest == pytest.approx(score, abs=1e-5)
    # What is left over must be what the model says when it reads nothing of each event.
    assert evidence.rest == pytest.approx(unread(scorer, history), abs=2e-3)


def test_events_that_the_model_does_not_read_contribute_nothing() -> None:
    evidence = behaviour().evidence(histories([0, 1, 2, 3, 4, 5]), ALL)
    assert not evidence.events[:, :2].any()
    assert evidence.events[:, 2:].all()


@given(items=st.lists(st.integers(0, 5), max_size=6))
@settings(deadline=None, max_examples=25)
def test_all_summands_add_up_to_the_fused_score(items: list[int]) -> None:
    explanations, scores = explained(histories(items))
    for explanation, score in zip(explanations, scores, strict=True):
        assert explanation.total == pytest.approx(score, abs=1e-4)
        assert sum(explanation.parts.values()) == pytest.approx(score, abs=1e-4)
        for reason in explanation.reasons:
            assert sum(reason.parts.values()) == pytest.approx(reason.value)


def test_adjustments_are_summands_too() -> None:
    fused, history = fusion(), histories([0])
    summands = {name: rows[0, :1] for name, rows in fused.contributions(history).items()}
    added = [{"fatigue": -0.5, "freshness": 0.25}]
    found = explain(fused.parts, summands, history, ALL[:1], len(SHOP), added)
    assert found[0].total == pytest.approx(fused.scores(history)[0, 0] - 0.25, abs=1e-4)


def test_the_past_item_that_matters_stands_first() -> None:
    parts = {"item_knn": Part(LOCAL["item_knn"], "shares")}
    fused, history = Fusion(parts, {"item_knn": 1.0}), histories([1, 3])
    summands = {"item_knn": fused.scores(history)[0, [4]]}
    (explanation,) = explain(fused.parts, summands, history, np.array([4]), len(SHOP))
    assert explanation.reasons[0].item == 3
    assert explanation.reasons[0].value > 0


def test_a_part_that_cannot_attribute_is_explained_as_a_whole() -> None:
    class Constant:
        def scores(self, histories: Histories, /) -> np.ndarray:
            return np.ones((len(histories), len(SHOP)), dtype=np.float32)

    fused = Fusion({"constant": Part(Constant(), "shares")}, {"constant": 1.0})
    history = histories([0])
    summands = {"constant": fused.scores(history)[0, [2]]}
    (explanation,) = explain(fused.parts, summands, history, np.array([2]), len(SHOP))
    assert explanation.reasons == ()
    assert explanation.rest["constant"] == pytest.approx(np.log(1 / len(SHOP)))


def test_several_users_have_no_single_explanation() -> None:
    fused = fusion()
    with pytest.raises(NotOneUserError, match="2 users"):
        explain(fused.parts, {}, histories([0], [1]), ALL, len(SHOP))
