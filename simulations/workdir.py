"""The working files of one run, so that an interrupted run continues where it was.

Every finished stage is one file; a stage whose file exists is not computed again. The directory
remembers the resolved recipe that it belongs to and refuses another one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.errors import LabError
from shared.files import read_json, write_json
from shared.progress import Reporter, Step

FINISHED = "finished.json"
SECONDS = "seconds.json"


class OtherRunError(LabError):
    """The output directory holds another run."""

    code = "LAB-001"
    default_remedy = "choose another --out, or --restart to discard what is there"


class WorkDirectory:
    """Stages of a run under ``<out>/work``.

    Parameters
    ----------
    out
        Output directory of the run.
    identity
        Everything that determines the run (resolved recipe, seed, data path); JSON values.
    restart
        Discard what is there.

    Raises
    ------
    OtherRunError
        `out` holds a run with another identity.
    """

    def __init__(self, out: Path, identity: dict[str, Any], *, restart: bool = False) -> None:
        self.out = out
        self.root = out / "work"
        if restart and self.root.exists():
            shutil.rmtree(self.root)
        self._claim(identity)

    def stage(self, name: str, compute: Callable[[], Any]) -> Any:
        """The JSON value of a stage, computed only when it is not there yet."""
        path = self.root / f"{name}.json"
        if not path.exists():
            write_json(path, compute())
        return read_json(path)

    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.root / FINISHED).exists()

    def finish(self) -> None:
        """Mark the run as finished and drop what only an interrupted run needs."""
        write_json(self.root / FINISHED, True)
        shutil.rmtree(self.root / "models", ignore_errors=True)

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Add to the wall seconds of a stage, over all attempts."""
        write_json(
            self.root / SECONDS, {**self.seconds(), stage: self.seconds().get(stage, 0.0) + seconds}
        )

    @contextmanager
    def timed(self, stage: str, report: Reporter, title: str) -> Iterator[Step]:
        """Show a stage's progress and add its wall seconds to what earlier attempts took."""
        began = time.monotonic()
        try:
            yield report.step(title)
        finally:
            self.add_seconds(stage, time.monotonic() - began)

    def seconds(self) -> dict[str, float]:
        """Stage → wall seconds so far."""
        path = self.root / SECONDS
        return dict(read_json(path)) if path.exists() else {}

    def directory(self, name: str) -> Path:
        """A directory of its own for a stage that keeps more than one file."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _claim(self, identity: dict[str, Any]) -> None:
        path = self.root / "identity.json"
        if not path.exists():
            write_json(path, identity)
            return
        there = read_json(path)
        if there != identity:
            keys = [k for k in sorted({*there, *identity}) if there.get(k) != identity.get(k)]
            raise OtherRunError(f"another run ({', '.join(keys)} differ)", where=str(self.out))
