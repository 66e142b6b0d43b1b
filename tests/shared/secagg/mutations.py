"""Removes one check after the other from a copy of the code; some test must fail for each.

``python -m tests.shared.secagg.mutations [--slice]`` prints what survives and ends with 1 if
anything did. A check is an ``if`` that ends in ``raise``, each part of its condition that an ``or``
joins, or a statement that only calls a function named ``check...``. One run of all fast tests
records in which of them an exception passed which line (`raising`); a mutation then runs only the
tests in which its check had refused something, the quickest first, in a fork of this process.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import aead

PRELOADED = hypothesis, np, aead
"""Imported before the forks, which then need not do so."""
ROOT = Path(__file__).resolve().parents[3]
CODE, TESTS = ROOT / "shared" / "secagg", ROOT / "tests" / "shared" / "secagg"
COPIED = (
    "pyproject.toml",
    "shared/__init__.py",
    "shared/errors.py",
    "shared/privacy/__init__.py",
    "shared/privacy/distributed.py",
    "shared/privacy/errors.py",
    "tests/__init__.py",
    "tests/shared/__init__.py",
)
PYTEST = ("-xq", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist")
EQUIVALENT = {
    # Reached only through objects that have been checked before: kept as a second line of defence.
    ("codec.py", "size > len(self._rest)"),
    ("codec.py", "self._rest"),
}
SLICE = 9
SLICE_TESTS = ("test_faults_coordinator.py", "test_locks.py")
Record = Mapping[str, list[str]]
"""``path:line`` → ids of the tests in which an exception passed it, the quickest first."""


@dataclass(frozen=True)
class Mutation:
    """One check: its file, first and last line, and text; `part` of its condition, None for all."""

    path: Path
    line: int
    end: int
    text: str
    part: int | None = None

    def __str__(self) -> str:
        return f"{self.path.relative_to(CODE)}:{self.line} {self.text}"

    def tests(self, record: Record) -> list[str]:
        """Tests in which this check has refused something."""
        name = self.path.relative_to(CODE)
        found = [
            t for line in range(self.line, self.end + 1) for t in record.get(f"{name}:{line}", ())
        ]
        return list(dict.fromkeys(found))


def mutations() -> list[Mutation]:
    """Every check of the package."""
    found = []
    for path in sorted(CODE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in _checks(tree):
            lines = node.lineno, node.end_lineno or node.lineno
            for part, text in _texts(node):
                if (path.name, text) not in EQUIVALENT:
                    found.append(Mutation(path, *lines, text, part))
    return found


def prepare(folder: Path, tests: Sequence[str] = ()) -> Record:
    """Copy everything to `folder` and record one run of the `tests` (file names; none for all)."""
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    skipped = shutil.ignore_patterns("__pycache__", "test_mutations.py")
    for source in (CODE, TESTS):
        shutil.copytree(source, folder / source.relative_to(ROOT), ignore=skipped)
    inside = "tests/shared/secagg"
    chosen = [f"{inside}/{name}" for name in tests] or [inside]
    plugin = ("-p", "tests.shared.secagg.raising", "--raising", "raising.json")
    command = [sys.executable, "-m", "pytest", *PYTEST, *plugin, *chosen]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    found = json.loads((folder / "raising.json").read_text(encoding="utf-8"))
    record: dict[str, list[str]] = {}
    for test, what in sorted(found.items(), key=lambda pair: pair[1]["seconds"]):
        for line in what["lines"]:
            record.setdefault(line, []).append(test)
    return record


def survives(mutation: Mutation, folder: Path, record: Record) -> bool:
    """Whether the tests that this check concerns pass although it is gone."""
    tests = mutation.tests(record)
    if not tests:
        return True
    target = folder / mutation.path.relative_to(ROOT)
    original = target.read_bytes()
    tree = ast.parse(original)
    _remove(tree, mutation)
    shutil.rmtree(target.parent / "__pycache__", ignore_errors=True)  # of the same second and size
    target.write_text(ast.unparse(tree), encoding="utf-8")
    try:
        return _passes_in_fork(folder, tests)
    finally:
        target.write_bytes(original)


def _passes_in_fork(folder: Path, tests: Sequence[str]) -> bool:
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = _run_tests(folder, tests)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _run_tests(folder: Path, tests: Sequence[str]) -> int:
    """In the child: the copy takes the place of this checkout."""
    os.chdir(folder)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    sys.dont_write_bytecode = True
    sys.path[:] = [str(folder), *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
    for name in [n for n in sys.modules if n.partition(".")[0] in ("shared", "tests")]:
        del sys.modules[name]
    return int(pytest.main([*PYTEST, *tests]))


def _checks(tree: ast.AST) -> Iterator[ast.If | ast.Expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise):
            yield node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if "check" in name or name == "_match":
                yield node


def _texts(node: ast.If | ast.Expr) -> Iterator[tuple[int | None, str]]:
    """The whole check, and each part of it that can be left out."""
    if not isinstance(node, ast.If):
        yield None, ast.unparse(node)
        return
    yield None, ast.unparse(node.test)
    if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or):
        for part, value in enumerate(node.test.values):
            yield part, f"{ast.unparse(value)} (of {ast.unparse(node.test)})"


def _remove(tree: ast.AST, mutation: Mutation) -> None:
    for node in _checks(tree):
        if node.lineno != mutation.line:
            continue
        if isinstance(node, ast.Expr):
            node.value = ast.Constant(None)
        elif mutation.part is None:
            node.test = ast.Constant(False)
        elif isinstance(node.test, ast.BoolOp):
            node.test.values[mutation.part] = ast.Constant(False)


def sliced(chosen: Sequence[Mutation], record: Record) -> list[Mutation]:
    """A few checks that the recorded tests concern, evenly chosen."""
    concerned = [m for m in chosen if m.tests(record)]
    return concerned[:: max(1, len(concerned) // SLICE)]


def main() -> int:
    """Print every check whose removal no test notices; 1 if there is one."""
    parser = argparse.ArgumentParser(description="remove one check after the other")
    parser.add_argument("--slice", action="store_true", help="a few checks of cheap tests")
    small = parser.parse_args().slice
    with tempfile.TemporaryDirectory() as name:
        record = prepare(Path(name), SLICE_TESTS if small else ())
        chosen = sliced(mutations(), record) if small else mutations()
        survivors = 0
        for mutation in chosen:
            survived = survives(mutation, Path(name), record)
            survivors += survived
            concerned = len(mutation.tests(record))
            state = "SURVIVES" if survived else "noticed "
            print(f"{state} {mutation} ({concerned} tests concerned)", flush=True)
    print(f"{survivors} of {len(chosen)} checks are missed by every test")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
