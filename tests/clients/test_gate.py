"""A worse model is not served; one that is level or better is."""

from __future__ import annotations

import numpy as np
import pytest

from clients.data.dataset import Histories
from clients.evaluation.split import Fold
from clients.gate import GateSettings, NoHoldOutError, decide, gate
from tests.clients.training.worlds import histories_of


class _Guess:
    """Puts one item first."""

    def __init__(self, item: int) -> None:
        self.item = item

    def scores(self, histories: Histories, /) -> np.ndarray:
        return np.tile((np.arange(30) == self.item).astype(np.float32), (len(histories), 1))


def _fold(users: int) -> Fold:
    contexts = histories_of(*[[1, 2]] * users)
    return Fold(contexts=contexts, targets=np.full(users, 7, dtype=np.int32))


def test_a_worse_model_is_refused_with_its_figures() -> None:
    decision = gate(_Guess(3), _Guess(7), _fold(50))
    assert not decision.accepted
    assert (decision.new, decision.served, decision.users) == (0.0, 1.0, 50)
    assert decision.difference.high < 0
    assert "refused" in decision.reason


def test_a_better_model_and_the_same_model_are_accepted() -> None:
    assert gate(_Guess(7), _Guess(3), _fold(200)).reason.startswith("accepted: better")
    assert gate(_Guess(7), _Guess(7), _fold(200)).reason.startswith("accepted: not worse")


def test_chance_refuses_nothing() -> None:
    """A few users lost, a few won: the interval covers zero."""
    random = np.random.default_rng(0)
    served, noise = random.random(500), 0.1 * random.standard_normal(500)
    assert decide(served + noise - noise.mean() - 1e-4, served).accepted


def test_a_loss_within_the_tolerance_is_accepted() -> None:
    served = np.full(300, 0.5)
    assert not decide(served - 0.01, served).accepted
    assert decide(served - 0.01, served, GateSettings(tolerance=0.05)).accepted


def test_little_evidence_is_said() -> None:
    assert "little evidence" in gate(_Guess(7), _Guess(7), _fold(5)).reason


def test_without_users_there_is_no_decision() -> None:
    with pytest.raises(NoHoldOutError):
        gate(_Guess(7), _Guess(7), _fold(1).take(np.array([], dtype=np.int64)))


def test_a_large_hold_out_is_sampled() -> None:
    assert gate(_Guess(7), _Guess(7), _fold(50), GateSettings(max_users=20)).users == 20
