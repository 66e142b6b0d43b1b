"""Fitting stops when validation is no better, and keeps the best state, the start included."""

from __future__ import annotations

import pytest

from clients.training.config import ContentTuning
from clients.training.fitting import Kept, fit_until_worse

SETTINGS = ContentTuning(max_steps=10, check_every=2, patience=2)


class _Counter:
    """Its state is the number of its steps."""

    def __init__(self, steps: int = 0) -> None:
        self.steps = steps

    def step(self) -> None:
        self.steps += 1

    def state(self) -> int:
        return self.steps


@pytest.mark.parametrize(
    ("figures", "kept", "looks"),
    [
        ([0.2, 0.3, 0.1, 0.3, 0.9], 4, 4),  # patience ends before the last one
        ([0.1, 0.1], 0, 2),  # the start was best, a tie included
        ([0.2, 0.1, 0.3, 0.2, 0.4], 10, 5),  # the steps end first
    ],
)
def test_the_best_state_is_kept(figures: list[float], kept: int, looks: int) -> None:
    said = dict(zip((2, 4, 6, 8, 10), figures, strict=False))
    best, curve = fit_until_worse(
        _Counter(), Kept(state=0, steps=0, ndcg=0.1), said.__getitem__, SETTINGS, None
    )
    assert (best.state, best.steps) == (kept, kept)
    assert curve == figures[:looks]


def test_a_second_stage_counts_its_own_steps_and_must_beat_the_first() -> None:
    seen: list[tuple[int, int]] = []
    first = Kept(state=6, steps=6, ndcg=0.5)
    settings = SETTINGS.model_copy(update={"max_steps": 3})
    best, curve = fit_until_worse(
        _Counter(6), first, lambda _: 0.4, settings, lambda *done: seen.append(done)
    )
    assert best is first
    assert curve == [0.4, 0.4]  # after two steps, and after the one that was left
    assert seen == [(7, 3), (8, 3), (9, 3)]


def test_no_steps_are_no_looks() -> None:
    start = Kept(state=0, steps=0, ndcg=0.1)
    settings = SETTINGS.model_copy(update={"max_steps": 0})
    assert fit_until_worse(_Counter(), start, lambda _: 1.0, settings, None) == (start, [])
