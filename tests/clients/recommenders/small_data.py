"""Histories and catalogues small enough to check by hand."""

import numpy as np

from clients.data.dataset import Catalogue, Histories


def histories(*rows: list[int]) -> Histories:
    """One user a row of item indices, ``u0``, ``u1``, ... at times 0, 1, ..."""
    lengths = [len(row) for row in rows]
    flat = [item for row in rows for item in row]
    return Histories(
        users=tuple(f"u{i}" for i in range(len(rows))),
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        items=np.array(flat, dtype=np.int32),
        events=np.zeros(len(flat), dtype=np.int8),
        times=np.array([t for n in lengths for t in range(n)], dtype=np.float64),
        ordinal=True,
    )


def catalogue(*titles: str) -> Catalogue:
    """One item a title."""
    empty = ("",) * len(titles)
    ids = tuple(f"i{i}" for i in range(len(titles)))
    return Catalogue(item_ids=ids, titles=titles, categories=empty, descriptions=empty)
