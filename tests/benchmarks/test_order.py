"""N7: messages and replies in any order change nothing, and a change would be noticed."""

from __future__ import annotations

from itertools import count

import pytest

from benchmarks.network.faults import scenarios
from benchmarks.network.play import play

NAME = "network: messages and replies in any order"


def test_messages_and_replies_may_come_in_any_order() -> None:
    row = play(NAME, scenarios()[NAME], seed=1)
    assert row["violations"] == []
    assert row["lost_rounds"] == 0
    assert row["attempts"] == 3


def test_an_earlier_message_that_is_answered_anew_is_a_violation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if no two answers of a node were ever the same."""
    numbers = count()
    monkeypatch.setattr("benchmarks.network.play._content", lambda _message: (next(numbers),))
    violations = play(NAME, scenarios()[NAME], seed=1)["violations"]
    assert any("another answer out of order" in problem for problem in violations)
