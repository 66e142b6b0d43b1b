"""A pytest plugin that records for every test the lines of the package that an exception passed.

``pytest -p tests.shared.secagg.raising --raising FILE`` writes JSON: test id → its seconds and its
``path:line`` strings. Removing the check on such a line is what that test would notice.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

PACKAGE = str(Path("shared") / "secagg")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write."""
    parser.addoption("--raising", default="", help="write the lines that exceptions passed")


def pytest_configure(config: pytest.Config) -> None:
    """Record only where asked for."""
    if config.getoption("--raising"):
        config.pluginmanager.register(Recorder(Path(config.getoption("--raising"))))


class Recorder:
    """Traces calls and exceptions, not lines, so that a run takes hardly longer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, dict[str, Any]] = {}
        self._lines: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """One test."""
        self._lines, before = set(), time.perf_counter()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)
            seconds = time.perf_counter() - before
            self._found[item.nodeid] = {"seconds": seconds, "lines": sorted(self._lines)}

    def pytest_sessionfinish(self) -> None:
        """Write what was found."""
        self._path.write_text(json.dumps(self._found), encoding="utf-8")

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if PACKAGE not in frame.f_code.co_filename or "tests" in frame.f_code.co_filename:
            return None
        frame.f_trace_lines = False
        return self._inside

    def _inside(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "exception":
            name = frame.f_code.co_filename.rpartition(PACKAGE)[2].lstrip("/")
            self._lines.add(f"{name}:{frame.f_lineno}")
        return self._inside
