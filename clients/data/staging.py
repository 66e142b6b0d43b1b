"""From an intake's stream into typed tables, row by row and without judging.

Each row keeps its number; a cell that is no time or no known event keeps the beginning of its text
for the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from clients.data.intake import ROW, Intake
from shared.contract import EVENT, ITEM, TIME, USER

_TABLES: Final = r"""
CREATE MACRO plain(t) AS
    trim(regexp_replace(nfc_normalize(coalesce(t, '')), '[\x00-\x1e\x7f]+', ' ', 'g'));
CREATE MACRO normal_id(t) AS trim(nfc_normalize(coalesce(t, '')), E' \t\r\n');
CREATE TABLE event_names (name VARCHAR, code TINYINT);
CREATE TABLE staged_events (
    row BIGINT, pseudonym UUID, item VARCHAR, moment DOUBLE, dated BOOLEAN, time_text VARCHAR,
    event TINYINT, event_text VARCHAR
);
CREATE TABLE staged_items (
    row BIGINT, item VARCHAR, title VARCHAR, categories VARCHAR, description VARCHAR,
    extra VARCHAR[]
);
CREATE TABLE carried (row BIGINT, pseudonym UUID, item VARCHAR, moment DOUBLE, event TINYINT);
CREATE TABLE opted_out (pseudonym UUID);
"""

# A number stays a number and is given its unit later; a date becomes seconds since 1970.
_NUMBERS: Final = """
CREATE OR REPLACE MACRO number(t) AS t;
CREATE OR REPLACE MACRO seconds(t) AS NULL::DOUBLE
"""
_DATES: Final = """
CREATE OR REPLACE MACRO number(t) AS NULL::DOUBLE;
CREATE OR REPLACE MACRO seconds(t) AS epoch(t::TIMESTAMPTZ)
"""
_TEXTS: Final = """
CREATE OR REPLACE MACRO number(t) AS TRY_CAST(t AS DOUBLE);
CREATE OR REPLACE MACRO seconds(t) AS epoch(TRY_CAST(t AS TIMESTAMPTZ))
"""

_STAGE_EVENTS: Final = """
INSERT INTO staged_events
WITH parsed AS (
    SELECT
        *,
        CASE WHEN isfinite(number(timestamp)) THEN number(timestamp) END AS number,
        -- Dates are only looked for where there is no number: parsing them is slow.
        CASE WHEN number IS NULL THEN seconds(timestamp) END AS date
    FROM incoming
)
SELECT
    row,
    user_id,
    normal_id(item_id),
    coalesce(number, date) AS moment,
    number IS NULL,
    CASE WHEN moment IS NULL THEN left(coalesce(timestamp::VARCHAR, ''), 100) END,
    code,
    CASE WHEN code IS NULL THEN left(coalesce(event, ''), 100) END
FROM parsed LEFT JOIN event_names ON name = lower(trim(event))
"""

_STAGE_ITEMS: Final = """
INSERT INTO staged_items
SELECT
    row,
    normal_id(item_id),
    plain(title),
    array_to_string(
        list_filter(
            list_transform(
                string_split(replace(coalesce(categories, ''), chr(31), $separator), $separator),
                lambda part: plain(part)
            ),
            lambda part: part <> ''
        ),
        ' | '
    ),
    plain(description),
    {extra}
FROM incoming
"""
_EXTRA: Final = "plain(replace({name}, chr(31), ' | '))"

_CARRY: Final = "INSERT INTO carried SELECT row, user_id, item_id, timestamp, event FROM incoming"
_OPT_OUT: Final = "INSERT INTO opted_out SELECT user_id FROM incoming"

CARRIED: Final = pa.schema(
    [
        (ROW, pa.int64()),
        (USER, pa.uuid()),
        (ITEM, pa.string()),
        (TIME, pa.float64()),
        (EVENT, pa.int8()),
    ]
)
"""Events that are clean already."""


def create_tables(database: duckdb.DuckDBPyConnection) -> None:
    """Create the empty staging tables in a fresh workspace."""
    database.execute(_TABLES)


def stage_events(
    database: duckdb.DuckDBPyConnection, intake: Intake, codes: Mapping[str, int]
) -> None:
    """Fill ``staged_events``; `codes` is the event type's index by lower-case name.

    Raises
    ------
    DataError
        The source cannot be read to its end.
    """
    names, indices = list(codes), list(codes.values())
    database.execute("INSERT INTO event_names SELECT unnest(?), unnest(?)", [names, indices])
    for reader in intake.portions():
        database.execute(_time_macros(reader.schema.field(TIME).type))
        _run(database, _STAGE_EVENTS, reader, intake)


def stage_items(
    database: duckdb.DuckDBPyConnection, intake: Intake, separator: str, extras: int = 0
) -> None:
    """Fill ``staged_items``; categories are split at `separator` and joined again by ``" | "``.

    Parameters
    ----------
    extras
        Further columns, which arrive as `extra_name` of 0, 1, ...

    Raises
    ------
    DataError
        The source cannot be read to its end.
    """
    columns = ", ".join(_EXTRA.format(name=extra_name(number)) for number in range(extras))
    statement = _STAGE_ITEMS.format(extra=f"[{columns}]::VARCHAR[]")
    for reader in intake.portions():
        _run(database, statement, reader, intake, separator=separator)


def extra_name(number: int) -> str:
    """What the intake calls an item's further column."""
    return f"extra_{number}"


def stage_standing(
    database: duckdb.DuckDBPyConnection,
    carried: Iterable[pa.RecordBatch],
    opted_out: Sequence[bytes],
) -> None:
    """Fill ``carried`` with events of earlier runs, and ``opted_out``.

    Parameters
    ----------
    carried
        Batches of `CARRIED`; their rows are numbered below 1, in order.
    opted_out
        Pseudonyms as 16 bytes each.
    """
    for batch in carried:
        database.register("incoming", pa.Table.from_batches([batch]))
        database.execute(_CARRY)
        database.unregister("incoming")
    if opted_out:
        users = pa.table({USER: _uuids(pa.array(list(opted_out), pa.binary(16)))})
        database.register("incoming", users)
        database.execute(_OPT_OUT)
        database.unregister("incoming")


def _uuids(binaries: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), binaries)


def _time_macros(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return _NUMBERS
    return _DATES if pa.types.is_timestamp(kind) else _TEXTS


def _run(
    database: duckdb.DuckDBPyConnection,
    statement: str,
    reader: pa.RecordBatchReader,
    intake: Intake,
    **parameters: str,
) -> None:
    database.register("incoming", reader)
    try:
        database.execute(statement, parameters)
    except duckdb.Error:
        # The source's own error reaches DuckDB as mere text; raise the original.
        if intake.failure is not None:
            raise intake.failure from None
        raise
    finally:
        database.unregister("incoming")
