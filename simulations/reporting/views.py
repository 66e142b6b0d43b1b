"""Tables as the page's template takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `best` of its column, `share` of a bar behind it (0 to 1)."""

    text: str
    best: bool = False
    share: float | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its heading."""

    head: str
    cells: Sequence[Cell]
    note: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table with everything its reader needs."""

    caption: str
    columns: Sequence[str]
    """Headings, that of the rows first."""
    rows: Sequence[Row]
