"""Generated contents retrieve items, several tastes at once, touched or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clients.recommenders.content import ContentScorer, OneContentScorer, Pooling
from clients.recommenders.lookup import Querying
from shared.models.config import ContentConfig
from shared.models.content_parameters import content_schema, initial_content
from tests.clients.training.worlds import histories_of, item_vectors_of

CONFIG = ContentConfig(item_dim=16, latent_dim=4, hidden_dim=8)
VECTORS = item_vectors_of()
START = initial_content(CONFIG, 0)
HISTORIES = histories_of([1, 2, 3], [4], [])


def _wide() -> np.ndarray:
    """Parameters whose generator moves content far from the profile."""
    arrays = content_schema(CONFIG).unflatten(START.copy())
    arrays["generator.last.weight"] *= 200
    return content_schema(CONFIG).flatten(arrays)


def test_scores_are_a_distribution_over_the_catalogue() -> None:
    scores = ContentScorer(CONFIG, START, VECTORS).scores(HISTORIES)
    assert scores.shape == (3, 30)
    shares = np.exp(scores) / 8
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-4)


def test_an_item_that_nobody_touched_is_retrieved_by_its_vector() -> None:
    """The new item has the text of what the user had: it must come first among the unseen."""
    vectors = torch.cat([VECTORS, F.normalize(VECTORS[4] + 0.05, dim=0)[None]])
    scores = ContentScorer(CONFIG, START, vectors).scores(histories_of([4]))[0]
    assert int(np.argsort(-scores)[:2].max()) == 30


@pytest.mark.parametrize("pooling", ["mixture", "best"])
def test_several_draws_reach_more_than_one(pooling: Pooling) -> None:
    """Each draw's favourite is near the top of the pool."""
    scorer = ContentScorer(CONFIG, _wide(), VECTORS, draws=6, pooling=pooling)
    contents = scorer.contents(HISTORIES)
    assert contents.shape == (3, 6, 16)
    favourites = {int(i) for i in (contents[0] @ VECTORS.numpy().T).argmax(1)}
    assert len(favourites) > 1
    ranked = np.argsort(-scorer.scores(HISTORIES)[0])
    assert int(ranked[0]) in favourites


def test_more_spread_makes_contents_differ_more() -> None:
    def between(spread: float) -> float:
        contents = ContentScorer(CONFIG, _wide(), VECTORS, spread=spread).contents(HISTORIES)
        return float(contents.std(axis=1).mean())

    assert between(0.5) < between(1.0) < between(2.0)


def test_without_draws_there_is_one_content_of_the_mean_latent() -> None:
    scorer = ContentScorer(CONFIG, _wide(), VECTORS, draws=0)
    assert scorer.contents(HISTORIES).shape == (3, 1, 16)
    still = ContentScorer(CONFIG, _wide(), VECTORS, spread=0.0, draws=1)
    np.testing.assert_array_equal(scorer.scores(HISTORIES), still.scores(HISTORIES))


def test_the_same_user_gets_the_same_list_in_any_batch() -> None:
    scorer = ContentScorer(CONFIG, START, VECTORS)
    alone, together = scorer.scores(HISTORIES.take([0])), scorer.scores(HISTORIES)[:1]
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-5)


def test_one_content_is_a_query_whose_logits_are_the_scores_but_for_a_constant() -> None:
    scorer, items = OneContentScorer(CONFIG, _wide(), VECTORS), np.array([3, 29, 0])
    assert isinstance(scorer, Querying)
    assert not isinstance(ContentScorer(CONFIG, _wide(), VECTORS), Querying)
    queries, scores = scorer.queries(HISTORIES), scorer.scores(HISTORIES)
    for query, whole in zip(queries, scores, strict=True):
        difference = scorer.logits_of(query, items) - whole[items]
        np.testing.assert_allclose(difference, difference.mean(), atol=1e-4)
