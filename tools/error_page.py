"""Write `docs/errors.md` from the error classes: `python -m tools.error_page`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from shared.errors import IsthmusError

PACKAGES = ("shared", "clients", "server", "simulations")
PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
HEAD = """# Errors

Every error that Isthmus raises on purpose has a code that is never reused.
The message says what is wrong, where it stands and what to do.
This page is made from the error classes by `python -m tools.error_page`; a test keeps it true.
"""
AREAS = {
    "CFG": "Configuration",
    "DATA": "Data",
    "MODEL": "Models",
    "PRIV": "Privacy",
    "SA": "Secure aggregation",
    "FED": "Federation",
    "SRV": "Service",
    "LAB": "Laboratory",
}


def error_classes() -> list[type[IsthmusError]]:
    """All error classes of Isthmus, sorted by code."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for info in pkgutil.walk_packages(module.__path__, f"{package}."):
            importlib.import_module(info.name)
    return sorted(_descendants(IsthmusError), key=_order)


def page() -> str:
    """The text of the page."""
    lines = [HEAD]
    for prefix, title in AREAS.items():
        found = [c for c in error_classes() if c.code.split("-")[0] == prefix]
        lines += [f"## {title}", "", "| code | error | meaning | what to do |", "|---|---|---|---|"]
        lines += [_row(c) for c in found] + [""]
    return "\n".join(lines)


def _row(error: type[IsthmusError]) -> str:
    meaning = " ".join((inspect.getdoc(error) or "").split("\n\n")[0].split())
    return f"| {error.code} | `{error.__name__}` | {meaning} | {error.default_remedy} |"


def _order(error: type[IsthmusError]) -> tuple[str, int]:
    prefix, _, number = error.code.partition("-")
    return prefix, int(number or 0)


def _descendants(error: type[IsthmusError]) -> Iterator[type[IsthmusError]]:
    for child in error.__subclasses__():
        yield child
        yield from _descendants(child)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
