"""Judging and numbering staged rows, as queries that run out of core.

What is left stands in the view ``accepted``; `clients.data.ordering` reads it.
"""

from __future__ import annotations

from typing import Final

import duckdb

from clients.data.intake import LONGEST_ID
from clients.data.mapping import Rules, TimeUnit

LONGEST_TEXT: Final = 4000
"""Characters of a title, of the categories or of a description; more is cut."""

DIVISORS: Final[dict[str, float]] = {
    "iso": 1.0,
    "position": 1.0,
    "seconds": 1.0,
    "milliseconds": 1e3,
    "microseconds": 1e6,
    "nanoseconds": 1e9,
}

# Seconds since 1970 have nine or ten digits from 1973 on, and each finer unit adds three; positions
# in a history stay below. A declared unit may reach below its usual magnitude only for positions
# and seconds, since a timestamp of seconds in a source of milliseconds is the error to be found.
_MACROS: Final = """
CREATE MACRO magnitude(number) AS CASE
    WHEN number < 1e8 THEN 'position'
    WHEN number < 1e11 THEN 'seconds'
    WHEN number < 1e14 THEN 'milliseconds'
    WHEN number < 1e17 THEN 'microseconds'
    ELSE 'nanoseconds'
END;
CREATE MACRO in_unit(number, dated, unit, declared) AS CASE
    WHEN dated OR unit = 'iso' THEN dated AND unit = 'iso'
    WHEN declared AND unit = 'position' THEN true
    WHEN declared AND unit = 'seconds' THEN magnitude(number) IN ('position', 'seconds')
    ELSE magnitude(number) = unit
END;
CREATE TABLE settings (
    unit VARCHAR, declared BOOLEAN, divisor DOUBLE, earliest DOUBLE, latest DOUBLE,
    longest_id INTEGER
);
"""

# Of a row only its first flaw is named. Few rows have one, so only those are written down.
_JUDGE: Final = """
CREATE TABLE flawed AS
SELECT
    row, item_code, event_code, number, dated, time_text,
    CASE
        WHEN item_code IN (SELECT item_code FROM item_names WHERE item = '') THEN 'missing_item'
        WHEN item_code IN (SELECT item_code FROM item_names WHERE length(item) > longest_id)
            THEN 'long_id'
        WHEN trim(time_text) = '' THEN 'missing_time'
        WHEN number IS NULL THEN 'wrong_time'
        WHEN number < 0 THEN 'early_time'
        WHEN NOT in_unit(number, dated, unit, declared) THEN 'mixed_units'
        WHEN unit <> 'position' AND number / divisor > latest THEN 'future_time'
        WHEN event_code IN (SELECT event_code FROM event_texts WHERE event IS NULL)
            THEN 'unknown_event'
        WHEN user_code IN (SELECT user_code FROM user_names JOIN opted_out USING (pseudonym))
            THEN 'opted_out'
        WHEN unit <> 'position' AND number / divisor < earliest THEN 'expired'
    END AS flaw
FROM staged_events CROSS JOIN settings
WHERE flaw IS NOT NULL;
CREATE VIEW accepted AS
SELECT row, user_code, item_code, event, number / divisor AS moment
FROM staged_events ANTI JOIN flawed USING (row) JOIN event_texts USING (event_code)
CROSS JOIN settings
UNION ALL
SELECT row, user_code, item_code, event, number
FROM carried CROSS JOIN settings
WHERE user_code NOT IN (SELECT user_code FROM user_names JOIN opted_out USING (pseudonym))
AND (earliest IS NULL OR unit = 'position' OR number >= earliest);
CREATE VIEW judged_items AS
SELECT
    *,
    CASE
        WHEN item = '' THEN 'missing_item'
        WHEN length(item) > longest_id THEN 'long_id'
        WHEN row_number() OVER (PARTITION BY item ORDER BY row) > 1 THEN 'duplicate_item'
    END AS flaw
FROM staged_items CROSS JOIN settings
"""

_COMMON_UNIT: Final = """
SELECT CASE WHEN dated THEN 'iso' ELSE magnitude(number) END AS unit
FROM staged_events WHERE number >= 0
GROUP BY unit ORDER BY count(*) DESC, unit LIMIT 1
"""

_CATALOGUE: Final = """
CREATE TABLE catalogue AS
SELECT
    (row_number() OVER (ORDER BY row) - 1)::INTEGER AS item_index,
    item,
    left(title, $longest) AS title,
    left(categories, $longest) AS categories,
    left(description, $longest) AS description,
    extra
FROM judged_items WHERE flaw IS NULL
"""

# Only events mention them; usually there is none, and then no event is looked at.
_UNLISTED: Final = """
CREATE TABLE unlisted AS
SELECT item_code, item FROM item_names ANTI JOIN catalogue USING (item);
INSERT INTO catalogue
SELECT
    (SELECT count(*) FROM catalogue) + row_number() OVER (ORDER BY first) - 1, item, '', '', '', []
FROM (
    SELECT item, min(row) AS first FROM accepted JOIN unlisted USING (item_code) GROUP BY item
)
"""

_NUMBERED: Final = """
CREATE TABLE users AS
SELECT (row_number() OVER (ORDER BY first) - 1)::INTEGER AS user_index, pseudonym
FROM (
    SELECT pseudonym, min(first) AS first
    FROM (SELECT user_code, min(row) AS first FROM accepted GROUP BY user_code)
    JOIN user_names USING (user_code)
    GROUP BY pseudonym
);
CREATE TABLE user_indices AS
SELECT user_code, user_index FROM user_names JOIN users USING (pseudonym);
CREATE TABLE item_indices AS
SELECT item_code, item_index FROM item_names JOIN catalogue USING (item)
"""


def clean(
    database: duckdb.DuckDBPyConnection,
    rules: Rules,
    *,
    unit: TimeUnit,
    now: float,
    earliest: float | None = None,
) -> str:
    """Build ``flawed``, ``accepted``, ``catalogue`` and ``users`` out of the staged tables.

    Parameters
    ----------
    database
        A workspace with staged rows.
    rules
        What is tolerated.
    unit
        Declared unit of time, or ``"auto"``.
    now
        Seconds since 1970; later events lie in the future.
    earliest
        Seconds since 1970 before which events are dropped; none: all are kept.

    Returns
    -------
    str
        The unit of time that was declared or found.
    """
    database.execute(_MACROS)
    found = unit if unit != "auto" else _common_unit(database)
    database.execute(
        "INSERT INTO settings VALUES (?, ?, ?, ?, ?, ?)",
        [
            found,
            unit != "auto",
            DIVISORS[found],
            earliest,
            now + rules.future_tolerance,
            LONGEST_ID,
        ],
    )
    database.execute(_JUDGE)
    database.execute(_CATALOGUE, {"longest": LONGEST_TEXT})
    database.execute(_UNLISTED)
    database.execute(_NUMBERED)
    return found


def _common_unit(database: duckdb.DuckDBPyConnection) -> str:
    """The unit of most rows; seconds if no row has a time."""
    rows = database.execute(_COMMON_UNIT).fetchall()
    return str(rows[0][0]) if rows else "seconds"
