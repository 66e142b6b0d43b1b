"""Cleaning against a plain reference, and the order of ties."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.data.mapping import EventMapping, SourceMapping
from clients.data.problems import Kind
from clients.data.report import ValidationReport
from shared.contract import EVENT_TYPES
from tests.clients.data.tables import DAY, KEY, NOW, Event, events_table, run, texts

T = 1_700_000_000


def counts(report: ValidationReport) -> dict[Kind, int]:
    total: Counter[Kind] = Counter()
    for problem in report.problems:
        total[problem.kind] += problem.count
    return dict(total)


row = st.tuples(
    st.sampled_from(["", "ann", "ben", "cem"]),
    st.sampled_from(["", "x", "y", "z", "i" * 513]),
    st.sampled_from([None, "soon", T, T + 1, T + 2, T * 1000, NOW + 2 * DAY, -5, 3]),
    st.sampled_from(["view", "Purchase ", "sneeze", ""]),
)


def reference(rows: list[Event]) -> tuple[dict[str, list[tuple[str, int]]], Counter[Kind]]:
    """Histories by pseudonym, and problems, with one pass and a dictionary."""
    found: Counter[Kind] = Counter()
    seen: set[tuple[object, ...]] = set()
    kept: dict[str, list[tuple[float, int, str, int]]] = {}
    for number, (user, item, time, event) in enumerate(rows):
        kind = str(event).strip().lower()
        flaw = (
            (user == "" and Kind.MISSING_USER)
            or (item == "" and Kind.MISSING_ITEM)
            or (len(str(item)) > 512 and Kind.LONG_ID)
            or (time is None and Kind.MISSING_TIME)
            or (time == "soon" and Kind.WRONG_TIME)
            or (time == -5 and Kind.EARLY_TIME)
            or (time in (T * 1000, 3) and time is not None and Kind.MIXED_UNITS)
            or (time == NOW + 2 * DAY and Kind.FUTURE_TIME)
            or (kind not in EVENT_TYPES and Kind.UNKNOWN_EVENT)
            or ((user, item, time, kind) in seen and Kind.DUPLICATE_EVENT)
        )
        if flaw:
            found[flaw] += 1
            continue
        seen.add((user, item, time, kind))
        entry = (float(str(time)), number, str(item), EVENT_TYPES.index(kind))
        kept.setdefault(KEY.pseudonym(str(user)), []).append(entry)
    singles = sum(len(events) == 1 for events in kept.values())
    if singles:
        found[Kind.SINGLE_EVENT] = singles
    histories = {user: [(i, e) for _, _, i, e in sorted(events)] for user, events in kept.items()}
    return histories, found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(row, max_size=25))
def test_cleaning_equals_the_plain_reference(rows: list[Event]) -> None:
    # Most rows are in seconds, so that the unit is beyond doubt.
    rows = [("dan", "x", T + n, "view") for n in range(30)] + rows
    data, report = run(texts(rows))
    expected, problems = reference(rows)
    found = {
        user: [
            (data.catalogue.item_ids[item], int(event))
            for item, event in zip(
                data.histories.items_of(index), data.histories.take([index]).events, strict=True
            )
        ]
        for index, user in enumerate(data.histories.users)
    }
    assert found == expected
    assert counts(report) == dict(problems)
    assert list(found) == list(expected)  # in order of arrival
    assert report.events.rows_read == len(rows)


@settings(max_examples=10, deadline=None)
@given(st.permutations(["m", "c", "z", "a", "k"]))
def test_ties_in_time_keep_the_order_of_arrival_whatever_the_item_ids(items: list[str]) -> None:
    data, _ = run(events_table([("ann", item, T, "view") for item in items]))
    assert [data.catalogue.item_ids[i] for i in data.histories.items_of(0)] == items


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(1, "seconds"), (10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")],
)
def test_the_unit_of_most_rows_counts_and_the_others_are_told(factor: int, unit: str) -> None:
    rows: list[Event] = [("ann", f"i{n}", (T + n) * factor, "view") for n in range(5)]
    rows.append(("ann", "odd", T * (1000 if factor == 1 else 1), "view"))
    data, report = run(events_table(rows))
    assert report.time_unit == unit
    assert data.histories.times.tolist() == [T + n for n in range(5)]
    (problem,) = report.of(Kind.MIXED_UNITS)
    assert [(example.row, problem.column) for example in problem.examples] == [(6, "timestamp")]


def test_positions_are_an_order_without_times() -> None:
    data, report = run(events_table([("ann", f"i{n}", n, "view") for n in (2, 0, 1)]))
    assert data.histories.ordinal
    assert (report.first_time, report.last_time) == (None, None)
    assert [data.catalogue.item_ids[i] for i in data.histories.items] == ["i0", "i1", "i2"]


def test_dates_are_read_in_their_zone_and_otherwise_in_the_mapping_s() -> None:
    rows: list[Event] = [
        ("ann", "x", "2024-01-01T00:00:00Z", "view"),
        ("ann", "y", "2024-01-01 00:00:00", "view"),
        ("ann", "z", "2024-01-01T00:00:00-05:00", "view"),
    ]
    mapping = SourceMapping(events=EventMapping(zone="Europe/Berlin"))
    data, report = run(texts(rows), mapping=mapping)
    assert report.time_unit == "iso"
    assert [data.catalogue.item_ids[i] for i in data.histories.items] == ["y", "x", "z"]
    assert data.histories.times.tolist() == [1704063600.0, 1704067200.0, 1704085200.0]


def test_a_declared_unit_is_not_guessed() -> None:
    mapping = SourceMapping(events=EventMapping(time_unit="seconds"))
    data, _ = run(events_table([("ann", "x", 5, "view"), ("ann", "y", 7, "view")]), mapping=mapping)
    assert not data.histories.ordinal
    mapping = SourceMapping(events=EventMapping(time_unit="milliseconds"))
    _, report = run(
        events_table([("ann", "x", T, "view"), ("ann", "y", T * 1000, "view")]), mapping=mapping
    )
    assert counts(report)[Kind.MIXED_UNITS] == 1


def test_users_below_the_minimum_leave_and_are_counted_by_rows() -> None:
    rows: list[Event] = [("ann", "x", T, "view"), ("ben", "x", T, "view"), ("ben", "y", T, "view")]
    data, report = run(events_table(rows), min_events=2)
    assert data.histories.users == (KEY.pseudonym("ben"),)
    assert counts(report) == {Kind.SHORT_HISTORY: 1}


def test_repetitions_stay_if_wanted() -> None:
    rows: list[Event] = [("ann", "x", T, "view")] * 3
    assert len(run(events_table(rows), deduplicate=False)[0].histories.items) == 3
    data, report = run(events_table(rows))
    assert len(data.histories.items) == 1
    assert report.of(Kind.DUPLICATE_EVENT)[0].examples[0].value == "repeats row 1"
