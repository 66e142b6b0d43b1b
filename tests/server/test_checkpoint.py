"""Checkpoints: whole, of this plan, signed by this coordinator, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from server.checkpoint import (
    CheckpointError,
    Checkpoints,
    ForgedCheckpointError,
    UnsignedCheckpointError,
)
from shared.optimiser import ServerState
from tests.plans import KEY, identity

PLAN = bytes(32)


def _state(value: float) -> ServerState:
    vector = np.full(5, value, dtype=np.float32)
    return ServerState(model=vector, velocity=np.zeros_like(vector), average=vector)


def _saved(root: Path, *rounds: int) -> Checkpoints:
    checkpoints = Checkpoints(root, PLAN, KEY)
    for number in rounds:
        checkpoints.save(number, _state(number))
    return checkpoints


def _unsigned(root: Path, number: int, plan: bytes = PLAN) -> None:
    """A checkpoint as the first format had it."""
    state = _state(number)
    tensors = {name: getattr(state, name) for name in ("average", "model", "velocity")}
    facts = {"format": "1", "plan": plan.hex(), "round": str(number)}
    save_file(tensors, root / f"round-{number:05d}.safetensors", metadata=facts)


def test_the_newest_round_is_taken_up_again(tmp_path: Path) -> None:
    _saved(tmp_path, 0, 2, 11)
    newest = Checkpoints(tmp_path, PLAN, KEY).newest()
    assert newest is not None
    number, state = newest
    assert number == 11
    np.testing.assert_array_equal(state.model, np.full(5, 11, dtype=np.float32))


def test_without_a_checkpoint_there_is_nothing_to_take_up(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, PLAN, KEY).newest() is None


def test_the_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    _saved(tmp_path, 1)
    with pytest.raises(CheckpointError, match="another plan"):
        Checkpoints(tmp_path, b"\1" * 32, KEY).newest()


def test_the_checkpoint_of_another_round_is_refused(tmp_path: Path) -> None:
    """An old state under a new name, manifest and all."""
    checkpoints = _saved(tmp_path, 1, 2)
    data = checkpoints.path(1).read_bytes()
    checkpoints.path(2).write_bytes(data)
    manifest = json.loads(checkpoints.manifest_path(1).read_bytes())
    checkpoints.manifest_path(2).write_text(json.dumps(manifest))
    with pytest.raises(ForgedCheckpointError):
        checkpoints.newest()


@pytest.mark.parametrize("place", [0, 200, -1])
def test_an_altered_checkpoint_is_refused(tmp_path: Path, place: int) -> None:
    checkpoints = _saved(tmp_path, 1)
    data = bytearray(checkpoints.path(1).read_bytes())
    data[place] ^= 1
    checkpoints.path(1).write_bytes(data)
    with pytest.raises(ForgedCheckpointError, match="not the file that was signed"):
        checkpoints.newest()


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoints = _saved(tmp_path, 1)
    data = checkpoints.path(1).read_bytes()
    checkpoints.path(1).write_bytes(data[: len(data) // 2])
    with pytest.raises(ForgedCheckpointError):
        checkpoints.newest()


def test_a_checkpoint_that_somebody_else_signed_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path, PLAN, identity(7)).save(1, _state(1.0))
    with pytest.raises(ForgedCheckpointError, match="not signed by this coordinator"):
        Checkpoints(tmp_path, PLAN, KEY).newest()


@pytest.mark.parametrize("field", ["plan", "round", "files"])
def test_an_altered_manifest_is_refused(tmp_path: Path, field: str) -> None:
    checkpoints = _saved(tmp_path, 1)
    path = checkpoints.manifest_path(1)
    changes = {"plan": "11" * 32, "round": 2, "files": {"other": "11" * 32}}
    path.write_text(json.dumps({**json.loads(path.read_bytes()), field: changes[field]}))
    with pytest.raises(ForgedCheckpointError):
        checkpoints.newest()


def test_a_write_that_was_cut_off_leaves_the_round_before(tmp_path: Path) -> None:
    """The manifest is written first."""
    checkpoints = _saved(tmp_path, 1, 2)
    checkpoints.path(2).unlink()
    newest = checkpoints.newest()
    assert newest is not None
    assert newest[0] == 1


def test_an_unsigned_checkpoint_is_refused_until_a_person_signs_it(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, PLAN, KEY)
    for number in (0, 1):
        _unsigned(tmp_path, number)
    with pytest.raises(UnsignedCheckpointError, match="--sign-checkpoints"):
        checkpoints.newest()
    assert checkpoints.sign_unsigned() == 2
    assert checkpoints.sign_unsigned() == 0
    np.testing.assert_array_equal(checkpoints.load(1).model, _state(1).model)


def test_nobody_signs_an_unsigned_checkpoint_of_another_plan(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, PLAN, KEY)
    _unsigned(tmp_path, 1, plan=b"\1" * 32)
    with pytest.raises(CheckpointError, match="no unsigned checkpoint of this plan"):
        checkpoints.sign_unsigned()


def test_a_file_whose_manifest_is_gone_is_not_signed_again(tmp_path: Path) -> None:
    checkpoints = _saved(tmp_path, 1)
    checkpoints.manifest_path(1).unlink()
    with pytest.raises(UnsignedCheckpointError):
        checkpoints.newest()
    with pytest.raises(CheckpointError):
        checkpoints.sign_unsigned()
