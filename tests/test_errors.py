"""The error tree: stable codes, each documented."""

from __future__ import annotations

from collections import Counter

from shared.errors import DataError
from tools.error_page import AREAS, PAGE, error_classes, page


def test_every_code_belongs_to_one_error_only() -> None:
    counts = Counter(error.code for error in error_classes())
    assert [code for code, n in counts.items() if n > 1] == []


def test_every_code_belongs_to_a_known_area() -> None:
    assert {error.code.split("-")[0] for error in error_classes()} <= set(AREAS)


def test_every_error_says_what_it_means() -> None:
    assert [
        e.__name__ for e in error_classes() if not (e.__dict__.get("__doc__") or "").strip()
    ] == []


def test_the_page_lists_all_errors_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tools.error_page`"


def test_a_message_names_code_place_and_remedy() -> None:
    error = DataError("no events", where="a.csv, row 3", remedy="check the export")
    assert str(error) == "[DATA-000] no events (a.csv, row 3) → check the export"
