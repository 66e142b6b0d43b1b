"""What cleaning found, counted and with examples, for the validation report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from clients.data.cleaning import LONGEST_TEXT
from clients.data.mapping import EventColumns, ItemColumns, Rules
from clients.data.ordering import Counts
from clients.data.problems import Example, Kind, Tally, shown
from shared.contract import EVENT, TITLE

_EVENT_FLAWS: Final = "SELECT flaw, count(*) FROM flawed GROUP BY flaw"
_EVENT_ROWS: Final = """
SELECT row, CASE
    WHEN flaw IN ('missing_item', 'long_id') THEN left(item, 100)
    WHEN flaw = 'unknown_event' THEN event_text
    WHEN flaw = 'opted_out' THEN ''
    WHEN dated AND number IS NOT NULL THEN strftime(to_timestamp(number), '%Y-%m-%dT%H:%M:%SZ')
    ELSE coalesce(time_text, number::DECIMAL(38, 3)::VARCHAR)
END
FROM (FROM flawed WHERE flaw = $flaw ORDER BY row LIMIT $limit)
JOIN item_names USING (item_code) JOIN event_texts USING (event_code)
ORDER BY row
"""
_UNLISTED: Final = """
SELECT count(*) FROM accepted JOIN unlisted USING (item_code) WHERE row > 0
"""
_UNLISTED_ROWS: Final = """
SELECT min(row) AS first, item FROM accepted JOIN unlisted USING (item_code)
WHERE row > 0 GROUP BY item ORDER BY first LIMIT $limit
"""
_ITEM_FLAWS: Final = "SELECT flaw, count(*) FROM judged_items WHERE flaw IS NOT NULL GROUP BY flaw"
_ITEM_ROWS: Final = """
SELECT row, left(item, 100) FROM judged_items WHERE flaw = $flaw ORDER BY row LIMIT $limit
"""
_UNTITLED: Final = "SELECT count(*) FROM judged_items WHERE flaw IS NULL AND title = ''"
_UNTITLED_ROWS: Final = """
SELECT row, '' FROM judged_items WHERE flaw IS NULL AND title = '' ORDER BY row LIMIT $limit
"""
_LONG: Final = """
SELECT row, length(text), name FROM (
    UNPIVOT (SELECT row, title, categories, description FROM judged_items WHERE flaw IS NULL)
    ON title, categories, description INTO NAME name VALUE text
) WHERE length(text) > $longest ORDER BY row
"""

_LISTED: Final = "SELECT count(*) FROM judged_items WHERE flaw IS NULL"

_TIME_KINDS: Final = {
    Kind.EXPIRED,
    Kind.MISSING_TIME,
    Kind.WRONG_TIME,
    Kind.EARLY_TIME,
    Kind.MIXED_UNITS,
    Kind.FUTURE_TIME,
}

Rows = Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Reads a cleaned workspace into a tally.

    Attributes
    ----------
    database
        The workspace after `clients.data.cleaning.clean`.
    tally
        Where problems of one table are counted.
    place
        File and row within it, for a row number of that table's source.
    """

    database: duckdb.DuckDBPyConnection
    tally: Tally
    place: Callable[[int], tuple[str, int]]

    def count_events(
        self, columns: EventColumns, rules: Rules, counts: Counts, *, listed: bool
    ) -> None:
        """Count problems of events, and tell those that `counts` has counted already.

        `listed` tells that there is an item source.
        """
        for flaw, count in self._rows(_EVENT_FLAWS):
            kind = Kind(flaw)
            self._add(kind, _event_column(kind, columns), count, _EVENT_ROWS, flaw=flaw)
        repeats = [
            (row, f"repeats row {self.place(first)[1]}") for row, first in counts.repetitions
        ]
        self._tell(Kind.DUPLICATE_EVENT, "", counts.repeated, repeats)
        kind = Kind.SHORT_HISTORY if rules.min_events > 1 else Kind.SINGLE_EVENT
        short = [(row, _events(length)) for row, length in counts.short_users]
        self._tell(kind, "", counts.short, short)
        if listed:
            self._add(Kind.UNLISTED_ITEM, columns.item_id, self._count(_UNLISTED), _UNLISTED_ROWS)

    def count_items(self, columns: ItemColumns) -> None:
        """Count problems of items."""
        for flaw, count in self._rows(_ITEM_FLAWS):
            self._add(Kind(flaw), columns.item_id, count, _ITEM_ROWS, flaw=flaw)
        title = columns.title or TITLE
        self._add(Kind.EMPTY_TITLE, title, self._count(_UNTITLED), _UNTITLED_ROWS)
        names = {"categories": columns.categories, "description": columns.description}
        for row, length, name in self._rows(_LONG, longest=LONGEST_TEXT):
            column = names.get(name) or title
            self._tell(Kind.LONG_TEXT, column, 1, [(row, f"{length} characters")])

    def items_kept(self) -> int:
        """Rows of the item source that became part of the catalogue."""
        return self._count(_LISTED)

    def _add(self, kind: Kind, column: str, count: int, query: str, **parameters: str) -> None:
        if count:
            rows = self._rows(query, limit=self.tally.limit, **parameters)
            self._tell(kind, column, count, rows)

    def _tell(self, kind: Kind, column: str, count: int, rows: Rows) -> None:
        self.tally.add(kind, column, count, (self._example(row, value) for row, value in rows))

    def _example(self, row: int, value: object) -> Example:
        file, place = self.place(row)
        return Example(row=place, value=shown(value), file=file)

    def _count(self, query: str) -> int:
        return int(self._rows(query)[0][0] or 0)

    def _rows(self, query: str, **parameters: object) -> Rows:
        return self.database.execute(query, parameters).fetchall()


def _event_column(kind: Kind, columns: EventColumns) -> str:
    if kind is Kind.OPTED_OUT:
        return columns.user_id
    if kind in _TIME_KINDS:
        return columns.timestamp
    return columns.event or EVENT if kind is Kind.UNKNOWN_EVENT else columns.item_id


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
