"""Memory that is used again is lent to one holder at a time and never grows needlessly."""

from __future__ import annotations

import torch

from shared.models.layers.scratch import Scratch


def test_a_buffer_comes_back_only_after_it_was_given_back() -> None:
    scratch, like = Scratch(), torch.zeros(1)
    first = scratch.take(4, 6, like)
    second = scratch.take(4, 6, like)
    assert first.data_ptr() != second.data_ptr()
    scratch.give_back(first)
    smaller = scratch.take(3, 5, like)
    assert smaller.data_ptr() == first.data_ptr()
    assert smaller.shape == (3, 5)
    assert smaller.is_contiguous()
    scratch.give_back(smaller)
    assert scratch.take(4, 6, like).data_ptr() == first.data_ptr(), "the rest of it was lost"


def test_a_buffer_that_is_too_small_is_dropped() -> None:
    scratch, like = Scratch(), torch.zeros(1)
    small = scratch.take(2, 2, like)
    scratch.give_back(small)
    large = scratch.take(9, 9, like)
    assert large.data_ptr() != small.data_ptr()
    assert scratch.take(2, 2, like).data_ptr() != small.data_ptr()


def test_types_are_kept_apart() -> None:
    scratch = Scratch()
    single = scratch.take(2, 2, torch.zeros(1))
    scratch.give_back(single)
    assert scratch.take(2, 2, torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
    assert scratch.take(2, 2, torch.zeros(1)).data_ptr() == single.data_ptr()
