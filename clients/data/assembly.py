"""From a cleaned workspace into the arrays that models read."""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np

from clients.data.dataset import Catalogue, Histories, Int32s

BATCH_ROWS: Final = 1_000_000

_ITEMS: Final = "SELECT item, title, categories, description FROM catalogue ORDER BY item_index"
_USERS: Final = "SELECT replace(pseudonym::VARCHAR, '-', '') FROM users ORDER BY user_index"
_EVENTS: Final = """
SELECT user_index, item_index, event, moment FROM kept ORDER BY user_index, moment, row
"""
_COUNT: Final = "SELECT count(*) FROM kept"


def read_catalogue(database: duckdb.DuckDBPyConnection) -> Catalogue:
    """The items in the order of their source, then those that only events mention."""
    table = database.sql(_ITEMS).to_arrow_table()
    item_ids, titles, categories, descriptions = (
        tuple(column.to_pylist()) for column in table.columns
    )
    return Catalogue(
        item_ids=item_ids, titles=titles, categories=categories, descriptions=descriptions
    )


def read_histories(database: duckdb.DuckDBPyConnection, *, ordinal: bool) -> Histories:
    """Users in order of their first event's arrival, each with events by time, then arrival."""
    count = int(database.execute(_COUNT).fetchall()[0][0])
    users, items = np.empty(count, np.int32), np.empty(count, np.int32)
    events, times = np.empty(count, np.int8), np.empty(count, np.float64)
    start = 0
    for batch in database.sql(_EVENTS).to_arrow_reader(BATCH_ROWS):
        rows = slice(start, start + len(batch))
        users[rows], items[rows], events[rows], times[rows] = (c.to_numpy() for c in batch.columns)
        start += len(batch)
    names, offsets = _users(database, users)
    return Histories(
        users=names, offsets=offsets, items=items, events=events, times=times, ordinal=ordinal
    )


def _users(
    database: duckdb.DuckDBPyConnection, users: Int32s
) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Pseudonyms of those users that have events, and where each one's events begin."""
    names = database.sql(_USERS).to_arrow_table().column(0)
    present, starts = np.unique(users, return_index=True)
    offsets = np.append(starts, len(users)).astype(np.int64)
    return tuple(names.take(present).to_pylist()), offsets
