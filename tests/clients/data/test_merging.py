"""Live events find their place in time; whoever left is nowhere."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clients.data.dataset import Catalogue, Histories
from clients.data.merging import with_live_events, without_users

ITEMS = tuple("abcd")
CATALOGUE = Catalogue(item_ids=ITEMS, titles=ITEMS, categories=ITEMS, descriptions=ITEMS)
ANN, BEN = ("61" * 16, "62" * 16)


def histories(*users: tuple[str, list[tuple[int, float]]], ordinal: bool = False) -> Histories:
    rows = [row for _, events in users for row in events]
    return Histories(
        users=tuple(name for name, _ in users),
        offsets=np.cumsum([0, *(len(events) for _, events in users)], dtype=np.int64),
        items=np.array([item for item, _ in rows], np.int32),
        events=np.zeros(len(rows), np.int8),
        times=np.array([time for _, time in rows]),
        ordinal=ordinal,
    )


def live(user: str, item: str, time: float, event: int = 0) -> tuple[bytes, str, int, float]:
    return bytes.fromhex(user), item, event, time


def test_a_live_event_stands_where_its_time_says() -> None:
    merged = with_live_events(
        histories((ANN, [(0, 1.0), (1, 9.0)])), CATALOGUE, [live(ANN, "c", 5.0)]
    )
    assert merged.items.tolist() == [0, 2, 1]


def test_what_was_ingested_since_counts_once() -> None:
    merged = with_live_events(
        histories((ANN, [(0, 1.0), (1, 9.0)])),
        CATALOGUE,
        [live(ANN, "b", 9.0), live(ANN, "b", 9.0, event=3), live(ANN, "b", 9.0)],
    )
    assert merged.items.tolist() == [0, 1, 1]
    assert merged.events.tolist() == [0, 0, 3]


def test_a_new_user_comes_last_and_an_unknown_item_waits() -> None:
    merged = with_live_events(
        histories((ANN, [(0, 1.0)])), CATALOGUE, [live(BEN, "d", 0.5), live(ANN, "??", 2.0)]
    )
    assert merged.users == (ANN, BEN)
    assert merged.items.tolist() == [0, 3]


def test_where_only_positions_are_known_live_events_follow() -> None:
    stored = histories((ANN, [(0, 0.0), (1, 1.0)]), ordinal=True)
    merged = with_live_events(stored, CATALOGUE, [live(ANN, "c", 1.7e9), live(ANN, "d", 1.6e9)])
    assert merged.items.tolist() == [0, 1, 2, 3]
    assert merged.times.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_users_who_left_are_in_no_history() -> None:
    both = histories((ANN, [(0, 1.0)]), (BEN, [(1, 2.0), (2, 3.0)]))
    assert without_users(both, {ANN}).users == (BEN,)
    assert without_users(both, {ANN}).items.tolist() == [1, 2]


rows = st.lists(
    st.tuples(st.sampled_from([ANN, BEN]), st.sampled_from(ITEMS), st.integers(0, 3)), max_size=12
)


@given(rows, rows)
def test_ingested_first_or_live_the_histories_hold_the_same_events(
    first: list[tuple[str, str, int]], second: list[tuple[str, str, int]]
) -> None:
    empty = histories()
    apart = with_live_events(
        with_live_events(empty, CATALOGUE, [live(*row) for row in first]),
        CATALOGUE,
        [live(*row) for row in second],
    )
    together = with_live_events(empty, CATALOGUE, [live(*row) for row in first + second])
    assert apart.users == together.users
    assert apart.items.tolist() == together.items.tolist()
    assert apart.times.tolist() == together.times.tolist()
