"""Checkpoints: whole, of this plan, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.checkpoint import CheckpointError, Checkpoints
from shared.optimiser import ServerState

PLAN = bytes(32)


def _state(value: float) -> ServerState:
    vector = np.full(5, value, dtype=np.float32)
    return ServerState(model=vector, velocity=np.zeros_like(vector), average=vector)


def test_the_newest_round_is_taken_up_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, PLAN)
    for number in (0, 2, 11):
        checkpoints.save(number, _state(number))
    newest = Checkpoints(tmp_path, PLAN).newest()
    assert newest is not None
    number, state = newest
    assert number == 11
    np.testing.assert_array_equal(state.model, np.full(5, 11, dtype=np.float32))


def test_without_a_checkpoint_there_is_nothing_to_take_up(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, PLAN).newest() is None


def test_the_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path, PLAN).save(1, _state(1.0))
    with pytest.raises(CheckpointError, match="another plan"):
        Checkpoints(tmp_path, b"\1" * 32).newest()


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, PLAN)
    checkpoints.save(1, _state(1.0))
    data = checkpoints.path(1).read_bytes()
    checkpoints.path(1).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError):
        checkpoints.newest()
