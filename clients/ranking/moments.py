"""When items came into a catalogue, out of a column of the platform's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from clients.data.dataset import Float64s, Int64s
from clients.ranking.errors import UnusableFactsError

NEWEST: Final = 1000
"""Newest items, which are candidates where freshness counts, whatever else speaks for them."""


def moments(column: Sequence[object], name: str) -> Float64s:
    """(N,) seconds since 1970, NaN where the column says nothing.

    Parameters
    ----------
    column
        Seconds since 1970, or dates and times as in ISO 8601, in UTC where they name no zone.

    Raises
    ------
    UnusableFactsError
        Something else stands there.
    """
    return np.array([_moment(value, name) for value in column], dtype=np.float64)


def newest(added: Float64s) -> Int64s:
    """The newest items, rising by index; those of unknown age are none of them."""
    known = np.flatnonzero(np.isfinite(added))
    if len(known) <= NEWEST:
        return known
    return np.sort(known[np.argpartition(-added[known], NEWEST)[:NEWEST]])


def _moment(value: object, name: str) -> float:
    if value is None or value == "":
        return np.nan
    text = str(value)
    try:
        return float(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UnusableFactsError(
            f"{text[:40]!r} is no time", where=f"item column {name!r}"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
