"""From an intake's stream into typed tables, row by row and without judging.

Each row keeps its number; a cell that is no time or no known event keeps the beginning of its text
for the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clients.data.intake import ROW, Intake
from shared.contract import EVENT, ITEM, TIME, USER

CODED: Final = (USER, ITEM, EVENT)
"""Columns of events that arrive as numbers."""

_TABLES: Final = r"""
CREATE MACRO plain(t) AS
    trim(regexp_replace(nfc_normalize(coalesce(t, '')), '[\x00-\x1e\x7f]+', ' ', 'g'));
CREATE MACRO normal_id(t) AS trim(nfc_normalize(coalesce(t, '')), E' \t\r\n');
CREATE TABLE event_names (name VARCHAR, code TINYINT);
CREATE TABLE staged_events (
    row BIGINT, user_code INTEGER, item_code INTEGER, number DOUBLE, dated BOOLEAN,
    time_text VARCHAR, event_code INTEGER
);
CREATE TABLE user_names (user_code INTEGER, pseudonym UUID);
CREATE TABLE item_names (item_code INTEGER, item VARCHAR);
CREATE TABLE event_texts (event_code INTEGER, event_text VARCHAR, event TINYINT);
CREATE TABLE staged_items (
    row BIGINT, item VARCHAR, title VARCHAR, categories VARCHAR, description VARCHAR,
    extra VARCHAR[]
);
CREATE TABLE carried (
    row BIGINT, user_code INTEGER, item_code INTEGER, number DOUBLE, event TINYINT
);
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
    item_id,
    coalesce(number, date) AS moment,
    number IS NULL,
    CASE WHEN moment IS NULL THEN left(coalesce(timestamp::VARCHAR, ''), 100) END,
    event
FROM parsed
"""

_NAME: Final = {
    USER: "INSERT INTO user_names SELECT $first + position, name FROM incoming",
    ITEM: "INSERT INTO item_names SELECT $first + position, normal_id(name) FROM incoming",
    EVENT: """
INSERT INTO event_texts
SELECT $first + position, left(incoming.name, 100), code
FROM incoming LEFT JOIN event_names ON event_names.name = lower(trim(incoming.name))
""",
}

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


@dataclass(frozen=True, slots=True)
class Carried:
    """Events that are clean already, as numbers.

    Attributes
    ----------
    users
        Pseudonyms in hexadecimal.
    items
        Item ids.
    batches
        Batches of `CARRIED`, with places in `users` and `items`.
    """

    users: Sequence[str] = ()
    items: Sequence[str] = ()
    batches: Iterable[pa.RecordBatch] = ()


CARRIED: Final = pa.schema(
    [
        (ROW, pa.int64()),
        (USER, pa.int32()),
        (ITEM, pa.int32()),
        (TIME, pa.float64()),
        (EVENT, pa.int8()),
    ]
)
"""Columns of carried events: the rows are numbered below 1, in order."""


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
        for column in CODED:
            for first, meanings in intake.names(column):
                _name(database, column, first, meanings)


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
    database: duckdb.DuckDBPyConnection, carried: Carried, opted_out: Sequence[bytes]
) -> None:
    """Fill ``carried`` with events of earlier runs, and ``opted_out``.

    Parameters
    ----------
    carried
        Their numbers are negative here, since those of the source count from 0.
    opted_out
        Pseudonyms as 16 bytes each.
    """
    for batch in carried.batches:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name in (USER, ITEM):
            columns[name] = pc.add(columns[name], _carried_first(carried, name))
        _insert(database, _CARRY, pa.table(columns))
    if carried.users:
        users = _uuids([bytes.fromhex(user) for user in carried.users])
        _name(database, USER, _carried_first(carried, USER), users)
    if carried.items:
        items = pa.array(carried.items, pa.string())
        _name(database, ITEM, _carried_first(carried, ITEM), items)
    if opted_out:
        _insert(database, _OPT_OUT, pa.table({USER: _uuids(opted_out)}))


def _carried_first(carried: Carried, column: str) -> int:
    """The number of the first carried user or item; the last one has -1."""
    return -len(carried.users if column == USER else carried.items)


def _name(database: duckdb.DuckDBPyConnection, column: str, first: int, meanings: pa.Array) -> None:
    positions = pa.array(np.arange(len(meanings), dtype=np.int32))
    named = pa.table({"position": positions, "name": meanings})
    _insert(database, _NAME[column], named, first=first)


def _insert(
    database: duckdb.DuckDBPyConnection, statement: str, table: pa.Table, **parameters: int
) -> None:
    database.register("incoming", table)
    database.execute(statement, parameters)
    database.unregister("incoming")


def _uuids(pseudonyms: Sequence[bytes]) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(list(pseudonyms), pa.binary(16)))


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
