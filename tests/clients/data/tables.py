"""Small tables for the tests of this package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from clients.data.dataset import PlatformData
from clients.data.ingest import ingest
from clients.data.mapping import Rules, SourceMapping
from clients.data.pseudonyms import PseudonymKey
from clients.data.report import ValidationReport
from clients.data.sources import TableSource

KEY = PseudonymKey(bytes(range(32)))
NOW = 1_750_000_000.0
DAY = 86_400

Event = tuple[object, object, object, object]


def events_table(rows: Sequence[Event]) -> TableSource:
    names = ("user_id", "item_id", "timestamp", "event")
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    return TableSource(
        "events", pa.table(dict(zip(names, (pa.array(list(c)) for c in columns), strict=True)))
    )


def texts(rows: Sequence[Event]) -> TableSource:
    """The same with every cell as text, as from CSV."""
    return events_table([tuple("" if c is None else str(c) for c in row) for row in rows])  # type: ignore[misc]


def items_table(rows: Sequence[tuple[str, str, str]]) -> TableSource:
    ids, titles, categories = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {"item_id": ids, "title": titles, "categories": categories}
    return TableSource(
        "items", pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()})
    )


def run(
    events: TableSource,
    items: TableSource | None = None,
    mapping: SourceMapping | None = None,
    **rules: object,
) -> tuple[PlatformData, ValidationReport]:
    """Ingest with thresholds that stop nothing, unless `rules` say otherwise."""
    lenient = {"max_rejected": 1.0} | rules
    mapping = mapping or SourceMapping()
    return ingest(
        "shop",
        events=events,
        items=items,
        key=KEY,
        mapping=mapping.model_copy(update={"rules": Rules.model_validate(lenient)}),
        now=NOW,
    )


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path
