"""From a cleaned workspace into the arrays that models read."""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from clients.data.dataset import Catalogue, Histories, Int64s
from clients.data.ordering import Counts, OrderedEvents

_ITEMS: Final = "SELECT item, title, categories, description FROM catalogue ORDER BY item_index"
_USERS: Final = "SELECT replace(pseudonym::VARCHAR, '-', '') FROM users ORDER BY user_index"


def read_catalogue(database: duckdb.DuckDBPyConnection) -> Catalogue:
    """The items in the order of their source, then those that only events mention."""
    table = database.sql(_ITEMS).to_arrow_table()
    item_ids, titles, categories, descriptions = (
        tuple(column.to_pylist()) for column in table.columns
    )
    return Catalogue(
        item_ids=item_ids, titles=titles, categories=categories, descriptions=descriptions
    )


def read_histories(
    database: duckdb.DuckDBPyConnection, ordered: OrderedEvents, *, ordinal: bool
) -> Histories:
    """Users in order of their first event's arrival, each with events by time, then arrival."""
    pieces = [(events.items, events.events, events.times) for events in ordered]
    items, kinds, times = zip(*pieces, strict=True) if pieces else ((), (), ())
    users, lengths = present_users(database, ordered.counts)
    return Histories(
        users=tuple(users.to_pylist()),
        offsets=np.append(0, np.cumsum(lengths)).astype(np.int64),
        items=np.concatenate([np.empty(0, np.int32), *items]),
        events=np.concatenate([np.empty(0, np.int8), *kinds]),
        times=np.concatenate([np.empty(0, np.float64), *times]),
        ordinal=ordinal,
    )


def present_users(database: duckdb.DuckDBPyConnection, counts: Counts) -> tuple[pa.Array, Int64s]:
    """Pseudonyms of those users that have events, in order, and how many each has."""
    names = database.sql(_USERS).to_arrow_table().column(0).combine_chunks()
    present, lengths = counts.user_counts()
    return names.take(pa.array(present)), lengths
