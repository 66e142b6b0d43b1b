"""Runs cases, several at once, each in a process and a directory of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from benchmarks.quality.cases import Case
from simulations.recipe import Recipe, load_recipe
from simulations.results import Results, read_results
from simulations.run import Run


def recipe_of(case: Case) -> Recipe:
    """The shipped recipe with what the case sets."""
    return load_recipe(case.recipe, case.sets)


def folder_of(case: Case, data: Path) -> Path | None:
    """Where the case's data lie; None where it generates them."""
    return data / case.folder if case.folder else None


def run(cases: Sequence[Case], data: Path, out: Path, jobs: int) -> dict[str, list[Results]]:
    """Scenario → the results of its seeds; what stands in `out` is continued.

    With more than one job each run tells its progress in ``NAME-SEED.log`` beside its directory.
    """
    if jobs == 1:
        for case in cases:
            _finish(case, data, out)
    else:
        _side_by_side(cases, data, out, jobs)
    found: dict[str, list[Results]] = {}
    for case in cases:
        found.setdefault(case.name, []).append(read_results(case.out(out)))
    return found


def _side_by_side(cases: Sequence[Case], data: Path, out: Path, jobs: int) -> None:
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        names = {pool.submit(_finish, c, data, out, _log(c, out)): c.out(out).name for c in cases}
        for done, future in enumerate(as_completed(names), start=1):
            future.result()
            console.print(f"{names[future]} ({done} of {len(cases)})")


def _log(case: Case, out: Path) -> Path:
    where = case.out(out)
    return where.with_name(f"{where.name}.log")


def _finish(case: Case, data: Path, out: Path, log: Path | None = None) -> None:
    """One run to its end; it has one thread, so jobs do not compete."""
    with ExitStack() as stack:
        file = stack.enter_context(log.open("a")) if log else None
        found = Run(
            recipe_of(case),
            case.recipe,
            case.out(out),
            data=folder_of(case, data),
            seed=case.seed,
        )
        found.execute(Console(file=file))
