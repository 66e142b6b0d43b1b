from __future__ import annotations

import numpy as np
import pytest
import torch

from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import evaluate
from clients.evaluation.split import leave_one_out
from clients.recommenders.behaviour import BehaviourScorer
from clients.training.config import PersonalisationConfig
from clients.training.errors import NothingToLearnError
from clients.training.personalise import log_popularity, personalise
from shared.models.behaviour_parameters import initial_parameters
from shared.models.item_matrix import ItemMatrix
from tests.clients.training.worlds import CONFIG, cyclic_platform, histories_of, item_vectors_of

SPLIT = leave_one_out(cyclic_platform(users=150))
VECTORS = item_vectors_of()
START = initial_parameters(CONFIG, 0)
QUICK = PersonalisationConfig(
    text_learning_rate=0.01,
    learning_rate=0.01,
    residual_rate=0.05,
    batch_users=64,
    max_steps=60,
    check_every=10,
)


def test_order_that_no_text_tells_is_learned() -> None:
    before = BehaviourScorer(CONFIG, START, ItemMatrix(vectors=VECTORS))
    after = personalise(CONFIG, START, VECTORS, SPLIT.training, SPLIT.validation, QUICK).scorer()

    def quality(scorer: BehaviourScorer) -> float:
        ranks = evaluate(scorer, SPLIT.test.contexts, SPLIT.test.targets).ranks
        return float(ndcg(ranks, 10).mean())

    assert quality(after) > quality(before) + 0.2


def test_the_best_state_on_the_way_is_kept() -> None:
    settings = QUICK.model_copy(update={"residual_rate": 0.5, "popularity_scales": ()})
    model = personalise(CONFIG, START, VECTORS, SPLIT.training, SPLIT.validation, settings)
    ranks = evaluate(model.scorer(), SPLIT.validation.contexts, SPLIT.validation.targets).ranks
    assert ndcg(ranks, 10).mean() == pytest.approx(max(model.validation))
    assert model.steps == settings.check_every * int(np.argmax(model.validation))


def test_no_steps_give_back_the_start() -> None:
    still = QUICK.model_copy(update={"max_steps": 0, "popularity_scales": ()})
    model = personalise(CONFIG, START, VECTORS, SPLIT.training, SPLIT.validation, still)
    assert np.array_equal(model.parameters, START)
    assert torch.equal(model.items.vectors, VECTORS)
    assert model.items.bias is None
    assert len(model.validation) == 1


def test_patience_ends_training_where_nothing_can_be_learned() -> None:
    random = np.random.default_rng(0)
    split = leave_one_out(histories_of(*[random.permutation(30)[:5].tolist() for _ in range(40)]))
    settings = QUICK.model_copy(update={"max_steps": 500, "check_every": 5, "patience": 2})
    model = personalise(CONFIG, START, VECTORS, split.training, split.validation, settings)
    assert len(model.validation) < 50
    assert max(model.validation[-2:]) <= max(model.validation[:-2])


def test_residual_rate_zero_leaves_item_vectors_alone() -> None:
    fixed = QUICK.model_copy(update={"residual_rate": 0.0, "max_steps": 10})
    model = personalise(CONFIG, START, VECTORS, SPLIT.training, SPLIT.validation, fixed)
    assert torch.equal(model.items.vectors, VECTORS)


def test_popularity_is_used_where_it_helps() -> None:
    """Everybody's next item is one of two, whatever came before."""
    random = np.random.default_rng(0)
    users = [
        [*random.choice(28, 3, replace=False), *random.permutation([28, 29])] for _ in range(60)
    ]
    split = leave_one_out(histories_of(*[[int(i) for i in user] for user in users]))
    still = QUICK.model_copy(update={"max_steps": 0, "popularity_scales": (0.0, 2.0)})
    model = personalise(CONFIG, START, VECTORS, split.training, split.validation, still)
    assert model.popularity_scale in (0.0, 2.0)
    assert (model.items.bias is not None) == (model.popularity_scale > 0)


def test_the_same_seed_gives_the_same_model() -> None:
    short = QUICK.model_copy(update={"max_steps": 10})
    first, second = (
        personalise(CONFIG, START, VECTORS, SPLIT.training, SPLIT.validation, short, seed=4)
        for _ in range(2)
    )
    assert np.array_equal(first.parameters, second.parameters)
    assert torch.equal(first.items.vectors, second.items.vectors)


def test_nothing_to_learn_is_said() -> None:
    with pytest.raises(NothingToLearnError):
        personalise(CONFIG, START, VECTORS, histories_of([1], [2]), SPLIT.validation, QUICK)


def test_log_popularity_is_centred_and_ordered() -> None:
    popularity = log_popularity(histories_of([0, 1], [0, 2], [0]), 4)
    assert popularity.mean().item() == pytest.approx(0, abs=1e-6)
    assert popularity.argmax() == 0
    assert popularity.argmin() == 3


def test_progress_reports_steps() -> None:
    seen: list[int] = []
    short = QUICK.model_copy(update={"max_steps": 15})
    personalise(
        CONFIG,
        START,
        VECTORS,
        SPLIT.training,
        SPLIT.validation,
        short,
        progress=lambda done, total: seen.append(done) if total == 30 else None,
    )
    assert seen == list(range(1, 31))
