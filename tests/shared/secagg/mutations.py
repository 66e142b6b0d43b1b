"""Removes one check after the other from a copy of the code; some test must fail for each.

``python -m tests.shared.secagg.mutations [first] [count]`` prints what survives. A check is an
``if`` that ends in ``raise``, or a statement that only calls a function named ``check...``.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CODE = ROOT / "shared" / "secagg"
COPIED = ("pyproject.toml", "shared/__init__.py", "shared/errors.py", "tests/__init__.py")
FIRST = (
    "test_stages.py",
    "test_faults.py",
    "test_participant.py",
    "test_vectors.py",
    "test_locks.py",
)
EQUIVALENT = {
    # Reached only through objects that have been checked before: kept as a second line of defence.
    ("codec.py", "size > len(self._rest)"),
    ("codec.py", "self._rest"),
}


@dataclass(frozen=True)
class Mutation:
    """One check: its file, line and text."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(CODE)}:{self.line} {self.text}"


def mutations() -> list[Mutation]:
    """Every check of the package."""
    found = []
    for path in sorted(CODE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in _checks(tree):
            text = ast.unparse(node.test if isinstance(node, ast.If) else node)
            if (path.name, text) not in EQUIVALENT:
                found.append(Mutation(path, node.lineno, text))
    return found


def survives(mutation: Mutation, folder: Path) -> bool:
    """Whether all fast tests pass although the check is gone."""
    copy = folder / "shared" / "secagg"
    for source in (ROOT / "shared" / "secagg", ROOT / "tests" / "shared" / "secagg"):
        shutil.copytree(source, folder / source.relative_to(ROOT), dirs_exist_ok=True)
    target = copy / mutation.path.relative_to(CODE)
    tree = ast.parse(target.read_text(encoding="utf-8"))
    _remove(tree, mutation.line)
    target.write_text(ast.unparse(tree), encoding="utf-8")
    tests = list((folder / "tests/shared/secagg").glob("test_*.py"))
    tests.sort(key=lambda test: _order(test, mutation.path.stem))
    names = [str(test) for test in tests if test.name != "test_mutations.py"]
    command = [sys.executable, "-m", "pytest", "-xq", "-m", "not slow", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *names], cwd=folder, env=environment, capture_output=True, check=False
    )
    return done.returncode == 0


def prepare(folder: Path) -> None:
    """What stays the same for all mutations."""
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "tests" / "shared").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "tests/shared/__init__.py", folder / "tests/shared/__init__.py")


def _checks(tree: ast.AST) -> Iterator[ast.If | ast.Expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise):
            yield node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if "check" in name or name == "_match":
                yield node


def _remove(tree: ast.AST, line: int) -> None:
    for node in _checks(tree):
        if node.lineno == line:
            if isinstance(node, ast.If):
                node.test = ast.Constant(False)
            else:
                node.value = ast.Constant(None)


def _order(test: Path, module: str) -> tuple[int, str]:
    """The module's own tests first, then those that notice most."""
    first = (f"test_{module}.py", *FIRST)
    return first.index(test.name) if test.name in first else len(first), test.name


def main() -> None:
    """Print every check whose removal no test notices."""
    chosen = mutations()
    first, count = (int(value) for value in [*sys.argv[1:], "0", str(len(chosen))][:2])
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        for mutation in chosen[first : first + count]:
            noticed = not survives(mutation, Path(name))
            print("noticed " if noticed else "SURVIVES", mutation, flush=True)


if __name__ == "__main__":
    main()
