from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from clients.training.batches import TrainingSet
from clients.training.errors import PrivateBiasError, UnknownItemError
from clients.training.local import Protection, StepTerms, Trainer
from shared.models.behaviour import BehaviourLSTM
from shared.models.behaviour_parameters import initial_parameters
from shared.models.errors import ParameterVectorError
from shared.models.item_matrix import ItemMatrix
from shared.models.sequences import NextEvents
from shared.models.torch_parameters import load_vector
from shared.privacy.errors import InvalidMechanismError
from tests.clients.training.worlds import CONFIG, cyclic_platform, histories_of, item_vectors_of

HISTORIES = cyclic_platform()
EXAMPLES = TrainingSet(HISTORIES, CONFIG.history_length)
ITEMS = ItemMatrix(vectors=item_vectors_of())
START = initial_parameters(CONFIG, 0)
TERMS = StepTerms(learning_rate=0.03, sample_rate=0.5, expected_batch_size=40)
SOFT = Protection(clipping_norm=0.5, noise_multiplier=0.1)


def trainer(protection: Protection | None, terms: StepTerms = TERMS) -> Trainer[NextEvents]:
    return Trainer(BehaviourLSTM(CONFIG), EXAMPLES, ITEMS, terms, protection)


def loss_of(parameters: np.ndarray) -> float:
    model = BehaviourLSTM(CONFIG)
    load_vector(model, parameters)
    with torch.no_grad():
        return float(model.loss_per_user(EXAMPLES.batch(np.arange(80)), ITEMS).mean())


@pytest.mark.parametrize("protection", [None, SOFT])
def test_the_update_leads_to_a_lower_loss(protection: Protection | None) -> None:
    update = trainer(protection).run(START, steps=30)
    assert update.dtype == np.float32
    assert loss_of(START + update) < loss_of(START) - 0.2


def test_strong_noise_drowns_the_gradient() -> None:
    """Two private runs from one start agree on little when noise is strong, on much when soft."""

    def agreement(noise_multiplier: float) -> float:
        protection = Protection(clipping_norm=0.5, noise_multiplier=noise_multiplier)
        first, second = (trainer(protection).run(START, steps=3) for _ in range(2))
        return float(np.corrcoef(first, second)[0, 1])

    assert abs(agreement(1000.0)) < 0.15
    assert agreement(0.01) > 0.5


def test_biases_are_refused_in_private_steps_only() -> None:
    biased = ItemMatrix(vectors=ITEMS.vectors, bias=torch.zeros(30))
    Trainer(BehaviourLSTM(CONFIG), EXAMPLES, biased, TERMS, None)
    with pytest.raises(PrivateBiasError):
        Trainer(BehaviourLSTM(CONFIG), EXAMPLES, biased, TERMS, SOFT)


def test_trainable_items_are_refused_in_private_steps() -> None:
    vectors = ITEMS.vectors.clone().requires_grad_()
    with pytest.raises(PrivateBiasError):
        Trainer(BehaviourLSTM(CONFIG), EXAMPLES, ItemMatrix(vectors=vectors), TERMS, SOFT)


def test_an_item_outside_the_catalogue_is_named() -> None:
    examples = TrainingSet(histories_of([1, 30]), CONFIG.history_length)
    with pytest.raises(UnknownItemError, match="item 30 in a catalogue of 30"):
        Trainer(BehaviourLSTM(CONFIG), examples, ITEMS, TERMS, None)


def test_parameters_of_another_shape_are_refused() -> None:
    with pytest.raises(ParameterVectorError):
        trainer(None).run(START[:-1], steps=1)


def test_progress_counts_steps_and_can_stop_them() -> None:
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(SOFT).run(START, 5, stop)
    assert seen == [(1, 5), (2, 5)]


def test_an_interrupted_round_leaves_the_moments_as_they_were() -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    one = trainer(SOFT)
    one.run(START, 2)
    before = one.state()
    with pytest.raises(KeyboardInterrupt):
        one.run(START, 2, stop)
    after = one.state()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_moments_survive_a_restart() -> None:
    one, other = trainer(SOFT), trainer(SOFT)
    one.run(START, 3)
    other.restore(one.state())
    assert all(np.array_equal(v, other.state()[k]) for k, v in one.state().items())
    other.run(START, 1)
    assert other.state()["0.step"] == 4


def test_moments_of_a_new_trainer_are_none() -> None:
    assert trainer(None).state() == {}


def test_a_platform_without_users_sends_noise_alone() -> None:
    empty = TrainingSet(histories_of(), CONFIG.history_length)
    update = Trainer(BehaviourLSTM(CONFIG), empty, ITEMS, TERMS, SOFT).run(START, 2)
    assert np.isfinite(update).all()
    assert update.any()
    assert not Trainer(BehaviourLSTM(CONFIG), empty, ITEMS, TERMS, None).run(START, 2).any()


def test_large_catalogues_are_sampled() -> None:
    terms = dataclasses.replace(TERMS, full_softmax_items=10, negatives=12)
    update = trainer(None, terms).run(START, 30)
    assert loss_of(START + update) < loss_of(START) - 0.1


BANDED = Protection(clipping_norm=0.5, noise_multiplier=0.1, coefficients=(0.8, 0.6))


def banded() -> Trainer[NextEvents]:
    groups = np.arange(EXAMPLES.users) % 2
    return Trainer(BehaviourLSTM(CONFIG), EXAMPLES, ITEMS, TERMS, BANDED, groups=groups)


def test_banded_noise_survives_a_restart_and_an_interruption() -> None:
    one, other = banded(), banded()
    one.run(START, 2)
    kept = one.state()
    other.restore(kept)
    np.testing.assert_array_equal(other.state()["noise"], kept["noise"])

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        other.run(START, 2, stop)
    np.testing.assert_array_equal(other.state()["noise"], kept["noise"])
    other.run(START, 2)
    assert not np.array_equal(other.state()["noise"], kept["noise"])


def test_banded_noise_without_groups_is_refused() -> None:
    with pytest.raises(InvalidMechanismError, match="group"):
        trainer(BANDED)
