"""Live state: durable when acknowledged, gone when erased, readable by its owner alone."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clients.data.state import MIGRATIONS, NodeState
from clients.data.store_errors import NewerStateError, StateError

ANN, BEN = b"a" * 16, b"b" * 16


def state(folder: Path) -> NodeState:
    return NodeState(folder / "state.db")


def test_rows_come_back_in_order_of_arrival_for_one_user_or_all(tmp_path: Path) -> None:
    with_rows = state(tmp_path)
    with_rows.insert_events([(ANN, "x", 0, 5.0), (BEN, "y", 1, 3.0), (ANN, "z", 0, 1.0)])
    assert [row[1] for row in with_rows.events()] == ["x", "y", "z"]
    assert [row[1] for row in with_rows.events(ANN)] == ["x", "z"]


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    state(tmp_path).insert_events([(ANN, "x", 0, 5.0)])
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}


def test_an_erased_user_is_gone_from_the_file_s_very_bytes(tmp_path: Path) -> None:
    rows = state(tmp_path)
    rows.insert_events([(ANN, "a-very-telling-item", 0, 5.0), (BEN, "other", 0, 5.0)])
    rows.insert_feedback([(ANN, "a-very-telling-item", "liked", 6.0)])
    assert rows.erase(ANN, 9.0) == {"events": 1, "feedback": 1}
    assert rows.has_opted_out(ANN)
    assert not rows.has_opted_out(BEN)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"a-very-telling-item" not in left
    assert b"other" in left


def test_old_rows_expire(tmp_path: Path) -> None:
    rows = state(tmp_path)
    rows.insert_events([(ANN, "old", 0, 5.0), (ANN, "new", 0, 50.0)])
    rows.insert_feedback([(ANN, "old", "shown", 5.0)])
    assert rows.expire(10.0) == 2
    assert [row[1] for row in rows.events()] == ["new"]


def test_renaming_moves_rows_and_opt_outs_and_can_be_repeated(tmp_path: Path) -> None:
    rows, new = state(tmp_path), b"n" * 16
    rows.insert_events([(ANN, "x", 0, 5.0), (BEN, "y", 0, 5.0)])
    rows.erase(ANN, 1.0)
    for _ in range(2):
        rows.rename({ANN: new}, drop=[BEN])
    assert rows.opted_out() == {new}
    assert rows.events() == []


def test_a_row_that_is_refused_takes_its_whole_batch_with_it(tmp_path: Path) -> None:
    rows = state(tmp_path)
    with pytest.raises(StateError):
        rows.insert_events([(ANN, "x", 0, 5.0), (b"short", "y", 0, 5.0)])
    assert rows.events() == []


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    state(tmp_path).close()
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    database.close()
    with pytest.raises(NewerStateError):
        state(tmp_path)


def test_threads_share_it(tmp_path: Path) -> None:
    rows = state(tmp_path)

    def write(name: str) -> None:
        for number in range(20):
            rows.insert_events([(ANN, f"{name}{number}", 0, 1.0)])

    workers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(rows.events()) == 80


def test_kill_9_loses_no_acknowledged_event(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from clients.data.state import NodeState
rows = NodeState(Path({str(tmp_path / "state.db")!r}))
for number in range(10_000):
    rows.insert_events([(b"a" * 16, str(number), 0, 1.0)])
    print(number, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(50)]
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().split(b"\n") if line.strip()]
    kept = [int(row[1]) for row in state(tmp_path).events()]
    assert kept[: len(acknowledged)] == acknowledged
