from __future__ import annotations

import numpy as np
import pytest
import torch

from clients.recommenders.behaviour import BehaviourScorer
from shared.models.behaviour_parameters import initial_parameters
from shared.models.errors import ParameterVectorError
from shared.models.item_matrix import ItemMatrix
from tests.clients.training.worlds import CONFIG, histories_of, item_vectors_of

START = initial_parameters(CONFIG, 0)


def test_untrained_scores_follow_the_text_of_the_last_items() -> None:
    vectors = item_vectors_of()
    scores = BehaviourScorer(CONFIG, START, ItemMatrix(vectors=vectors)).scores(
        histories_of([3], [4, 5])
    )
    assert scores.shape == (2, 30)
    assert scores.dtype == np.float32
    assert scores.argmax(1).tolist() == [3, 5]


def test_each_user_is_scored_as_alone() -> None:
    scorer = BehaviourScorer(CONFIG, START, ItemMatrix(vectors=item_vectors_of()))
    together = scorer.scores(histories_of([3, 1], [4, 5, 6], [7]))
    assert together[1] == pytest.approx(scorer.scores(histories_of([4, 5, 6]))[0], abs=1e-4)


def test_a_user_without_events_gets_the_biases() -> None:
    bias = torch.arange(30.0)
    scorer = BehaviourScorer(CONFIG, START, ItemMatrix(vectors=item_vectors_of(), bias=bias))
    assert scorer.scores(histories_of([])).tolist() == [bias.tolist()]


def test_only_the_configured_number_of_events_counts() -> None:
    scorer = BehaviourScorer(CONFIG, START, ItemMatrix(vectors=item_vectors_of()))
    recent = [9, 8, 7, 6, 5, 4]
    long, short = scorer.scores(histories_of([1, 2, 3, *recent], recent))
    assert long == pytest.approx(short, abs=1e-5)


def test_parameters_of_another_shape_are_refused() -> None:
    with pytest.raises(ParameterVectorError):
        BehaviourScorer(CONFIG, START[1:], ItemMatrix(vectors=item_vectors_of()))
