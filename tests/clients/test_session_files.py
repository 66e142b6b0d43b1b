"""Secrets of a session rest at the node no longer than it lasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clients.session_files import SessionFiles, forget_other_runs


def test_another_run_deletes_the_secrets_of_one_that_was_left(tmp_path: Path) -> None:
    left = SessionFiles(tmp_path / "runs" / "left")
    current = tmp_path / "runs" / "current"
    for directory in (tmp_path / "runs" / "left", current):
        directory.mkdir(parents=True)
    left.save(1, 0, b"secret")
    SessionFiles(current).save(1, 0, b"kept")
    forget_other_runs(current)
    assert left.load() is None
    assert SessionFiles(current).load() == (1, 0, b"kept")


def test_the_noise_key_is_that_of_a_round_and_an_update(tmp_path: Path) -> None:
    update = np.ones(3, np.float32)
    key = SessionFiles(tmp_path).noise_key(1, update)
    assert SessionFiles(tmp_path).noise_key(1, update) == key
    assert SessionFiles(tmp_path).noise_key(2, update) != key
    assert SessionFiles(tmp_path).noise_key(1, update + 1) != key
    SessionFiles(tmp_path).forget()
    assert SessionFiles(tmp_path).noise_key(1, update) != key


def test_files_are_for_the_node_alone_and_go_with_their_round(tmp_path: Path) -> None:
    files = SessionFiles(tmp_path)
    files.save(7, 1, b"secret")
    files.noise_key(7, np.ones(3, np.float32))
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]
    files.forget_unless(7)
    assert files.load() == (7, 1, b"secret")
    files.forget_unless(8)
    assert list(tmp_path.iterdir()) == []
