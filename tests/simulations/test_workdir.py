"""Working files: finished stages are kept, other runs refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulations.workdir import OtherRunError, WorkDirectory


def test_a_finished_stage_is_not_computed_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> int:
        calls.append(1)
        return 7

    assert WorkDirectory(tmp_path, {"seed": 0}).stage("a", compute) == 7
    assert WorkDirectory(tmp_path, {"seed": 0}).stage("a", compute) == 7
    assert calls == [1]


def test_a_stage_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> int:
        raise KeyboardInterrupt

    work = WorkDirectory(tmp_path, {"seed": 0})
    with pytest.raises(KeyboardInterrupt):
        work.stage("a", fail)
    assert work.stage("a", lambda: 3) == 3


def test_another_run_is_refused_and_what_differs_is_named(tmp_path: Path) -> None:
    WorkDirectory(tmp_path, {"seed": 0, "engine": "grid"})
    with pytest.raises(OtherRunError, match="seed differ"):
        WorkDirectory(tmp_path, {"seed": 1, "engine": "grid"})


def test_a_restart_discards_what_is_there(tmp_path: Path) -> None:
    WorkDirectory(tmp_path, {"seed": 0}).stage("a", lambda: 1)
    work = WorkDirectory(tmp_path, {"seed": 1}, restart=True)
    assert work.stage("a", lambda: 2) == 2


def test_seconds_add_up_over_attempts(tmp_path: Path) -> None:
    WorkDirectory(tmp_path, {}).add_seconds("training", 1.5)
    work = WorkDirectory(tmp_path, {})
    work.add_seconds("training", 2.0)
    assert work.seconds() == {"training": 3.5}
