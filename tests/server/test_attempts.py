"""Attempts are counted durably, and a round that has used them all says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.attempts import Attempts, AttemptsExhaustedError
from shared.secagg.policy import MAX_ATTEMPTS


def test_each_attempt_is_begun_once(tmp_path: Path) -> None:
    path = tmp_path / "attempts.json"
    assert Attempts(path).last(1) is None
    assert [Attempts(path).begin(1), Attempts(path).begin(1), Attempts(path).begin(2)] == [0, 1, 0]
    assert Attempts(path).last(1) == 1


def test_a_round_without_attempts_left_is_named(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "attempts.json")
    for _ in range(MAX_ATTEMPTS):
        attempts.begin(3)
    with pytest.raises(AttemptsExhaustedError, match="round 3 was attempted 16 times"):
        attempts.begin(3)
    assert attempts.begin(4) == 0
