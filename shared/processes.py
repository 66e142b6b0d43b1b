"""Child processes that die with their parent, log to a file and are started again when they end."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

QUIET: Final[Mapping[str, str]] = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONUNBUFFERED": "1",
}
"""Environment in which no dependency calls anybody: no telemetry, update checks, installs."""
STOP_SECONDS: Final = 8.0
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How a child is started.

    Attributes
    ----------
    name
        For logs.
    command
        Program and arguments; never a secret, for all users of the machine can read them.
    log
        File to which its output is appended.
    environment
        Added to this process's environment and to `QUIET`.
    delays
        Seconds to wait before each restart in a row; the last one repeats.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    delays: tuple[float, ...] = (1.0, 2.0, 5.0)


class Child:
    """One child process under supervision.

    Parameters
    ----------
    spec
        How it is started.
    """

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0.0
        self._began = 0.0

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it now."""
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own arguments)
                list(self.spec.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **QUIET, **self.spec.environment},
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.starts += 1
        self._began = time.monotonic()

    def due(self) -> bool:
        """Whether it is not running and its delay has passed."""
        if self.pid is not None:
            return False
        now = time.monotonic()
        if self._process is not None:
            self._note_end(now)
        return now >= self._next

    def check(self) -> bool:
        """Start it, or start it again, when that is due; True if it has just been started."""
        if not self.due():
            return False
        self.start()
        return True

    def stop(self) -> None:
        """End it: politely, then for certain."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        for sign, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
            _signal_group(process.pid, sign)
            try:
                process.wait(timeout=seconds)
                return
            except subprocess.TimeoutExpired:
                logger.warning("%s does not stop", self.spec.name)

    def _note_end(self, now: float) -> None:
        """Choose the delay: the first again after a minute of good service."""
        process, self._process = self._process, None
        if now - self._began > 60:
            self.starts = 1
        delay = self.spec.delays[min(self.starts, len(self.spec.delays)) - 1]
        code = process.returncode if process else None
        logger.warning("%s ended with code %s; again in %.0f s", self.spec.name, code, delay)
        self._next = now + delay


def program(name: str) -> str:
    """The console script `name` of this Python environment."""
    return str(Path(sys.executable).parent / name)


def die_with_parent() -> None:
    """Linux: the kernel kills this process when its parent is gone, however that came about."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(pid: int, sign: signal.Signals) -> None:
    try:
        os.killpg(pid, sign)
    except ProcessLookupError:
        return
