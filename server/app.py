"""The Flower ServerApp of the coordinator: finds the run's directory and runs the plan in it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from server.coordinator import Coordinator, RunSettings
from server.rounds import RoundReport
from shared.errors import ConfigError
from shared.files import read_json, write_atomically, write_json
from shared.plan import TrainingPlan

PLAN = "plan.json"
SIGNATURE = "plan.sig"
REPORTS = "rounds.json"
DIRECTORY_VARIABLE = "ISTHMUS_RUN_DIRECTORY"


class RunDirectoryError(ConfigError):
    """The coordinator's run directory is not given, or holds no plan."""

    code = "CFG-012"
    default_remedy = f"set {DIRECTORY_VARIABLE} or the run configuration 'run-dir'"


def store_plan(directory: Path, plan: TrainingPlan, signature: bytes) -> None:
    """Write a signed plan where a ServerApp finds it."""
    write_atomically(directory / PLAN, plan.canonical())
    write_atomically(directory / SIGNATURE, signature)


def load_plan(directory: Path) -> tuple[TrainingPlan, bytes]:
    """The signed plan of a run directory.

    Raises
    ------
    RunDirectoryError
    """
    try:
        data, signature = (directory / PLAN).read_bytes(), (directory / SIGNATURE).read_bytes()
    except OSError as error:
        raise RunDirectoryError(str(error), where=str(directory)) from error
    return TrainingPlan.model_validate_json(data), signature


class ReportFile:
    """Keeps the reports of all rounds of a run in one JSON file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / REPORTS

    def __call__(self, report: RoundReport) -> None:
        """Append a report."""
        write_json(self._path, [*self.read(), asdict(report)])

    def read(self) -> list[dict[str, object]]:
        """All reports so far, oldest first."""
        return list(read_json(self._path)) if self._path.exists() else []


app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the plan in the run's directory."""
    directory = Path(
        str(context.run_config.get("run-dir") or os.environ.get(DIRECTORY_VARIABLE, ""))
    )
    run_plan(grid, RunSettings(directory=directory, identity=directory / "identity.pem"))


def run_plan(grid: Grid, settings: RunSettings) -> None:
    """Run the plan in the directory of `settings`, or what is left of it.

    Raises
    ------
    RunDirectoryError, IdentityFileError, RunFailedError
    """
    plan, signature = load_plan(settings.directory)
    observe = ReportFile(settings.directory)
    Coordinator(plan, signature, settings, observe=observe).run(grid)
