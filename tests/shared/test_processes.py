"""Children are started again, log to a private file, and never outlive their parent."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.processes import Child, ChildSpec

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def _until(condition: object) -> None:
    for _ in range(500):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.02)
    pytest.fail("did not happen")


def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    child = Child(ChildSpec(name="x", command=SLEEP, log=tmp_path / "log", delays=(0.0,)))
    assert child.check()
    assert not child.check()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    _until(lambda: child.pid is None)
    assert child.check()
    assert child.starts == 2
    assert child.pid not in (None, first)
    child.stop()
    assert child.pid is None


def test_restarts_wait_for_their_delay(tmp_path: Path) -> None:
    child = Child(
        ChildSpec(name="x", command=[sys.executable, "-c", ""], log=tmp_path / "l", delays=(9e9,))
    )
    child.check()
    _until(lambda: child.pid is None)
    assert not child.check()
    assert not child.due()


def test_output_goes_to_a_file_that_only_the_owner_reads(tmp_path: Path) -> None:
    child = Child(ChildSpec(name="x", command=SLEEP, log=tmp_path / "log"))
    child.start()
    _until(lambda: (tmp_path / "log").read_text() == "up\n")
    child.stop()
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_nothing_calls_home(tmp_path: Path) -> None:
    code = (
        "import os; print(*(f'{k}={v}' for k, v in os.environ.items() if 'FLWR' in k), sep=chr(10))"
    )
    child = Child(ChildSpec(name="x", command=[sys.executable, "-c", code], log=tmp_path / "log"))
    child.start()
    _until(lambda: child.pid is None)
    assert {
        "FLWR_TELEMETRY_ENABLED=0",
        "FLWR_DISABLE_UPDATE_CHECK=1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1",
    } <= set((tmp_path / "log").read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from shared.processes import Child, ChildSpec\n"
        f"c = Child(ChildSpec(name='x', command={SLEEP!r}, log=Path({str(tmp_path / 'log')!r})))\n"
        "c.start()\n"
        "print(c.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    _until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"
    except FileNotFoundError:
        return True
