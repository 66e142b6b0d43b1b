from __future__ import annotations

import numpy as np
import torch

from clients.training.batches import TrainingSet, recent_sequences
from shared.models.sequences import Sequences
from tests.clients.training.worlds import histories_of


def user_column(sequences: Sequences, column: torch.Tensor, user: int) -> list[int]:
    """Values of one user's tokens, oldest first."""
    rows = torch.nonzero(sequences.packing.user == user)[:, 0]
    rows = rows[sequences.packing.position[rows].argsort()]
    return [int(v) for v in column[rows]]


def test_each_event_is_followed_by_the_next_one_of_its_user() -> None:
    batch = TrainingSet(histories_of([1, 2, 3], [4], [5, 6]), length=10).batch(np.array([2, 0, 1]))
    assert user_column(batch.inputs, batch.inputs.items, 0) == [5]
    assert user_column(batch.inputs, batch.items, 0) == [6]
    assert user_column(batch.inputs, batch.inputs.items, 1) == [1, 2]
    assert user_column(batch.inputs, batch.items, 1) == [2, 3]
    assert user_column(batch.inputs, batch.events, 1) == [2, 0]
    assert user_column(batch.inputs, batch.items, 2) == []


def test_only_the_most_recent_events_are_inputs() -> None:
    batch = TrainingSet(histories_of([0, 1, 2, 3, 4]), length=2).batch(np.array([0]))
    assert user_column(batch.inputs, batch.inputs.items, 0) == [2, 3]
    assert user_column(batch.inputs, batch.items, 0) == [3, 4]


def test_users_with_one_event_or_none_are_counted_and_weigh_nothing() -> None:
    examples = TrainingSet(histories_of([1, 2], [3], []), length=10)
    assert examples.users == 3
    assert examples.tokens == 1
    batch = examples.batch(np.array([1, 2]))
    assert batch.inputs.packing.users == 2
    assert len(batch.items) == 0


def test_an_empty_poisson_batch_is_a_batch() -> None:
    batch = TrainingSet(histories_of([1, 2]), length=10).batch(np.array([], dtype=np.int64))
    assert batch.inputs.packing.users == 0
    assert TrainingSet(histories_of(), length=10).users == 0


def test_gaps_are_known_between_events_of_one_user_only() -> None:
    hour = 3600.0
    histories = histories_of(
        [1, 2, 3], [4, 5], times=[[0, 0, hour], [hour, 9 * hour]], ordinal=False
    )
    sequences = recent_sequences(histories, 10)
    assert user_column(sequences, sequences.gaps, 0) == [0, 1, 4]
    assert user_column(sequences, sequences.gaps, 1) == [0, 6]


def test_ordinal_time_has_no_gaps() -> None:
    sequences = recent_sequences(histories_of([1, 2, 3]), 10)
    assert not sequences.gaps.any()


def test_a_cut_history_remembers_the_gap_before_it() -> None:
    histories = histories_of([1, 2], times=[[0, 3600]], ordinal=False)
    sequences = recent_sequences(histories, 1)
    assert user_column(sequences, sequences.items, 0) == [2]
    assert user_column(sequences, sequences.gaps, 0) == [4]
