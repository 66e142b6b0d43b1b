"""Progress of long work: a moving bar in a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LOG_SECONDS = 10.0


class Step(Protocol):
    """One piece of work under way."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Report that `done` of `total` parts are finished; 0 where the total is unknown."""


class Reporter(Protocol):
    """Where progress is shown."""

    def step(self, name: str) -> Step:
        """Begin a piece of work called `name`."""

    def say(self, text: str) -> None:
        """A line that stays on the screen or in the log."""


class BarReporter:
    """Bars of `rich` that move while work goes on; finished steps leave one line each."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, name: str) -> Step:
        """See `Reporter`."""
        task = self._progress.add_task(name, total=None, note="")

        def report(done: int, total: int, note: str = "") -> None:
            self._progress.update(task, completed=done, total=total or None, note=note)

        return report

    def say(self, text: str) -> None:
        """See `Reporter`."""
        self._progress.console.print(text)


class LogReporter:
    """A line when a step begins and ends, and every ten seconds between."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, name: str) -> Step:
        """See `Reporter`."""
        started = last = time.monotonic()
        self._console.print(f"{name} ...")

        def report(done: int, total: int, note: str = "") -> None:
            nonlocal last
            now = time.monotonic()
            if (done < total or not total) and now - last < LOG_SECONDS:
                return
            last = now
            share = f"{done}/{total}" if total else f"{done:,}"
            self._console.print(f"{name}: {share} {note} [{now - started:.0f} s]")

        return report

    def say(self, text: str) -> None:
        """See `Reporter`."""
        self._console.print(text)


class SilentReporter:
    """Shows nothing."""

    def step(self, name: str) -> Step:
        """See `Reporter`."""
        return _nothing

    def say(self, text: str) -> None:
        """See `Reporter`."""


def _nothing(done: int, total: int, note: str = "") -> None:
    """No progress is shown."""


SILENT: Final = SilentReporter()


@contextmanager
def reporter(console: Console) -> Iterator[Reporter]:
    """The reporter that fits `console`; bars are cleared away at the end."""
    if not console.is_terminal:
        yield LogReporter(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield BarReporter(progress)
