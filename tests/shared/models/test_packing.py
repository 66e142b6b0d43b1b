"""Packing keeps every token with its user, in the caller's order."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shared.models.packing import Packing, PackingError

LENGTHS = st.lists(st.integers(0, 6), max_size=7)


def _padded(lengths: list[int]) -> torch.Tensor:
    steps = max(lengths, default=0)
    return torch.arange(1.0, len(lengths) * steps + 1).view(len(lengths), steps)


def test_tokens_lie_step_by_step_longest_user_first() -> None:
    packing = Packing.from_lengths(torch.tensor([3, 1, 2]))
    assert packing.live == (3, 2, 1)
    assert packing.user.tolist() == [0, 2, 1, 0, 2, 0]
    assert packing.position.tolist() == [0, 0, 0, 1, 1, 2]


@given(LENGTHS)
def test_unpacking_restores_what_was_packed_and_zeroes_the_rest(lengths: list[int]) -> None:
    padded = _padded(lengths)
    packing = Packing.from_lengths(torch.tensor(lengths, dtype=torch.int64))
    valid = torch.arange(padded.shape[1])[None] < torch.tensor(lengths, dtype=torch.int64)[:, None]
    assert torch.equal(packing.unpack(packing.pack(padded)), padded * valid)


@given(LENGTHS)
def test_sums_and_last_tokens_come_in_the_callers_order(lengths: list[int]) -> None:
    padded = _padded(lengths)
    packing = Packing.from_lengths(torch.tensor(lengths, dtype=torch.int64))
    tokens = packing.pack(padded)
    sums = [float(row[:n].sum()) for row, n in zip(padded, lengths, strict=True)]
    lasts = [float(row[n - 1]) if n else 0.0 for row, n in zip(padded, lengths, strict=True)]
    assert packing.sum_per_user(tokens).tolist() == pytest.approx(sums)
    assert packing.last(tokens).tolist() == pytest.approx(lasts)


@given(LENGTHS)
def test_previous_names_the_same_users_token_one_step_before(lengths: list[int]) -> None:
    packing = Packing.from_lengths(torch.tensor(lengths, dtype=torch.int64))
    first = packing.live[0] if packing.live else 0
    assert torch.equal(packing.user[packing.previous], packing.user[first:])
    assert torch.equal(packing.position[packing.previous] + 1, packing.position[first:])


def test_gradients_flow_back_to_the_padded_tensor() -> None:
    packing = Packing.from_lengths(torch.tensor([2, 0, 1]))
    padded = torch.ones(3, 2, requires_grad=True)
    packing.unpack(packing.pack(padded) * 3).sum().backward()
    assert padded.grad is not None
    assert padded.grad.tolist() == [[3, 3], [0, 0], [3, 0]]


@pytest.mark.parametrize(
    "lengths", [torch.tensor([1, -1]), torch.tensor([1.0]), torch.tensor([[1]])]
)
def test_impossible_lengths_are_refused(lengths: torch.Tensor) -> None:
    with pytest.raises(PackingError):
        Packing.from_lengths(lengths)


def test_tokens_of_another_layout_are_refused() -> None:
    packing = Packing.from_lengths(torch.tensor([2, 1]))
    with pytest.raises(PackingError):
        packing.unpack(torch.zeros(4, 2))
    with pytest.raises(PackingError):
        packing.pack(torch.zeros(2, 1, 3))
