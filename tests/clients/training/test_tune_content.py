"""Local fine-tuning helps where there is something to learn, and never harms on validation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clients.evaluation.split import leave_one_out
from clients.training.config import ContentTuning
from clients.training.errors import NothingToLearnError
from clients.training.tune_content import ContentModel, tune_content
from shared.models.config import ContentConfig
from shared.models.content_parameters import initial_content
from tests.clients.training.worlds import cyclic_platform, histories_of, item_vectors_of

CONFIG = ContentConfig(item_dim=16, latent_dim=8, hidden_dim=32, kl_weight=0.01)
VECTORS = item_vectors_of()
SPLIT = leave_one_out(cyclic_platform(users=120))
START = initial_content(CONFIG, 0)


def _tuned(**settings: object) -> ContentModel:
    values = {"learning_rate": 1e-2, "batch_users": 64, "max_steps": 75, **settings}
    tuning = ContentTuning.model_validate(values)
    return tune_content(CONFIG, START, VECTORS, SPLIT.training, SPLIT.validation, tuning)


def test_it_learns_what_texts_do_not_say() -> None:
    model = _tuned()
    assert max(model.validation) > model.validation[0] + 0.2
    assert model.steps > 0


def test_useless_training_leaves_the_start_as_it_was() -> None:
    """Everybody's next item is the one whose vector the profile already has."""
    users = [[0, 1, 2, i] for i in range(3, 30)]
    vectors = torch.ones(30, 16) / 4
    split = leave_one_out(histories_of(*users))
    model = tune_content(
        CONFIG, START, vectors, split.training, split.validation, ContentTuning(max_steps=25)
    )
    assert model.steps == 0
    assert np.array_equal(model.parameters, START)


def test_it_is_reproducible() -> None:
    first, second = _tuned(max_steps=25), _tuned(max_steps=25)
    assert first.validation == second.validation
    assert np.array_equal(first.parameters, second.parameters)


def test_no_steps_keep_the_released_model() -> None:
    assert np.array_equal(_tuned(max_steps=0).parameters, START)


def test_users_with_one_event_teach_nothing() -> None:
    empty = histories_of([1], [2])
    with pytest.raises(NothingToLearnError):
        tune_content(CONFIG, START, VECTORS, empty, SPLIT.validation, ContentTuning())
