"""Histories and catalogue in memory."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clients.data.dataset import Catalogue, Histories

rows = st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=6)


def histories(lists: list[list[int]]) -> Histories:
    flat = [item for items in lists for item in items]
    return Histories(
        users=tuple(f"p{n}" for n in range(len(lists))),
        offsets=np.cumsum([0, *(len(items) for items in lists)], dtype=np.int64),
        items=np.array(flat, np.int32),
        events=np.zeros(len(flat), np.int8),
        times=np.arange(len(flat), dtype=np.float64),
    )


def lists(found: Histories) -> list[list[int]]:
    return [found.items_of(user).tolist() for user in range(len(found))]


@given(rows, st.integers(0, 6))
def test_cutting_equals_slicing_each_history(items: list[list[int]], count: int) -> None:
    data = histories(items)
    assert lists(data.without_last(count)) == [row[: max(len(row) - count, 0)] for row in items]
    assert lists(data.last(count)) == [row[len(row) - min(count, len(row)) :] for row in items]


@given(rows)
def test_taking_users_keeps_their_events_together(items: list[list[int]]) -> None:
    data = histories(items)
    order = list(range(len(items)))[::-2]
    taken = data.take(order)
    assert lists(taken) == [items[index] for index in order]
    assert taken.users == tuple(f"p{index}" for index in order)
    assert taken.lengths.tolist() == [len(items[index]) for index in order]


def test_texts_leave_empty_parts_out() -> None:
    catalogue = Catalogue(
        item_ids=("1", "2"), titles=("Tent", ""), categories=("", "A | B"), descriptions=("x", "")
    )
    assert catalogue.texts() == ["Tent. x", "A | B"]
    assert len(catalogue) == 2
