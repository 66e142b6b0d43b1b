"""From files to histories: bad input is named and counted, and nothing is left behind."""

import gzip
import time
from pathlib import Path

import duckdb
import pytest

import clients.data.ingest as ingest_module
from clients.data.dataset import Histories
from clients.data.errors import (
    EmptyPlatformError,
    MissingColumnError,
    TooManyRejectedError,
    TruncatedSourceError,
)
from clients.data.ingest import ingest
from clients.data.mapping import EventColumns, EventMapping, ItemColumns, ItemMapping, SourceMapping
from clients.data.ordering import OrderedEvents
from clients.data.problems import Kind
from clients.data.sources import open_source
from clients.data.workspace import Limits
from shared.contract import EVENT_TYPES
from shared.errors import InvalidValueError
from tests.clients.data.tables import (
    KEY,
    NOW,
    Event,
    events_table,
    items_table,
    run,
    texts,
    write,
)

T = 1_700_000_000
GOOD: list[Event] = [(f"u{n % 5}", f"i{n % 7}", T + n, "view") for n in range(60)]


def csv(rows: list[Event]) -> str:
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join(["user_id,item_id,timestamp,event", *lines, ""])


def test_a_mapping_leads_from_the_platform_s_own_table_to_the_contract(tmp_path: Path) -> None:
    events = write(
        tmp_path / "log.csv",
        "who;what;when;did\nann;A1;1700000000000;Put In Basket\nann;B2;1700000001500;view\n",
    )
    items = write(tmp_path / "goods.csv", "sku;name;tags\nA1;Tent ;Camping,, Big\nB2;Lamp;\n")
    mapping = SourceMapping(
        events=EventMapping(
            columns=EventColumns(user_id="who", item_id="what", timestamp="when", event="did"),
            event_names={"put in basket": "cart"},
        ),
        items=ItemMapping(
            columns=ItemColumns(item_id="sku", title="name", categories="tags"),
            category_separator=",",
        ),
    )
    data, report = ingest(
        "shop",
        events=open_source(events, delimiter=";"),
        items=open_source(items, delimiter=";"),
        key=KEY,
        mapping=mapping,
        now=NOW,
    )
    assert data.catalogue.texts() == ["Tent. Camping | Big", "Lamp"]
    assert data.histories.users == (KEY.pseudonym("ann"),)
    assert [EVENT_TYPES[event] for event in data.histories.events] == ["cart", "view"]
    assert data.histories.times.tolist() == [1700000000.0, 1700000001.5]
    assert report.problems == ()
    assert (report.time_unit, report.events.kept_share) == ("milliseconds", 1.0)


def test_bad_rows_are_reported_with_row_column_value_and_remedy_and_the_rest_goes_on() -> None:
    bad: list[Event] = [
        ("", "i1", T, "view"),
        ("u1", "", T, "view"),
        ("u1", "i1", "yesterday", "view"),
        ("u1", "i1", T * 1000, "view"),
        ("u1", "i1", NOW + 10 * 86_400, "view"),
        ("u1", "i1", T + 100, "sneeze"),
        GOOD[3],
    ]
    data, report = run(texts(GOOD + bad), max_rejected=0.1)
    assert len(data.histories.items) == len(GOOD)
    told = {(p.kind, p.column, p.examples[0].row, p.examples[0].value) for p in report.rejected()}
    assert told == {
        (Kind.MISSING_USER, "user_id", 61, ""),
        (Kind.MISSING_ITEM, "item_id", 62, ""),
        (Kind.WRONG_TIME, "timestamp", 63, "yesterday"),
        (Kind.MIXED_UNITS, "timestamp", 64, "1700000000000.000"),
        (Kind.FUTURE_TIME, "timestamp", 65, "1750864000.000"),
        (Kind.UNKNOWN_EVENT, "event", 66, "sneeze"),
        (Kind.DUPLICATE_EVENT, "", 67, "repeats row 4"),
    }
    assert all(problem.remark.remedy for problem in report.problems)
    assert report.events.rows_kept == len(GOOD)


def test_too_many_bad_rows_stop_with_the_report_and_the_worst_kind_first() -> None:
    rows = [*GOOD, *[("u1", f"i{n}", T, "sneeze") for n in range(30)]]
    with pytest.raises(TooManyRejectedError) as caught:
        run(texts(rows), max_rejected=0.1)
    assert "30 of the events rejected (33.3%) as unknown_event" in caught.value.problem
    assert "column event, first in row 61" in caught.value.where
    assert "unknown_event" in caught.value.remedy
    assert caught.value.report.of(Kind.UNKNOWN_EVENT)[0].count == 30


def test_a_few_bad_rows_never_stop_a_small_table() -> None:
    rows: list[Event] = [("u1", "i1", T, "view"), ("u1", "i2", T, "sneeze")]
    assert len(run(texts(rows), max_rejected=0.1)[0].histories) == 1
    with pytest.raises(TooManyRejectedError):
        run(texts(rows), max_rejected=0.1, always_tolerated=0)


def test_one_kind_may_have_a_limit_of_its_own() -> None:
    rows = [*GOOD, *[("u1", f"i{n}", T, "sneeze") for n in range(30)]]
    limits = {"unknown_event": 0.5}
    _, report = run(texts(rows), max_rejected=0.1, max_rejected_by_kind=limits)
    assert report.of(Kind.UNKNOWN_EVENT)[0].count == 30


@pytest.mark.parametrize("rows", [[], [("", "", "", "")], [("u1", "i1", "never", "view")]])
def test_an_empty_platform_stops_with_its_report(rows: list[Event]) -> None:
    with pytest.raises(EmptyPlatformError) as caught:
        run(texts(rows))
    assert caught.value.report.events.rows_read == len(rows)
    assert "platform shop" in caught.value.where


def test_a_missing_column_stops_before_anything_is_read() -> None:
    events = events_table(GOOD)
    mapping = SourceMapping(events=EventMapping(columns=EventColumns(user_id="User")))
    with pytest.raises(MissingColumnError, match="'User'"):
        run(events, mapping=mapping)


def test_a_source_without_events_or_texts_can_be_mapped() -> None:
    mapping = SourceMapping(
        events=EventMapping(columns=EventColumns(event=None), default_event="purchase"),
        items=ItemMapping(columns=ItemColumns(title=None, categories=None)),
    )
    data, report = run(events_table(GOOD), items_table([("i0", "ignored", "")]), mapping)
    assert set(data.histories.events) == {EVENT_TYPES.index("purchase")}
    assert data.catalogue.titles[0] == ""
    assert report.of(Kind.EMPTY_TITLE)[0].count == 1


def test_items_are_judged_and_unlisted_ones_follow_in_order_of_arrival() -> None:
    items = items_table(
        [
            ("i6", " Tent\n2000 ", "Camping|  |Big"),
            ("i1", "", ""),
            ("", "Nameless", ""),
            ("i6", "Another tent", ""),
            ("i0", "x" * 5000, ""),
        ]
    )
    data, report = run(events_table(GOOD), items)
    assert data.catalogue.item_ids == ("i6", "i1", "i0", "i2", "i3", "i4", "i5")
    assert data.catalogue.titles[0] == "Tent 2000"
    assert data.catalogue.categories[0] == "Camping | Big"
    assert len(data.catalogue.titles[2]) == 4000
    told = {(p.table, p.kind, p.examples[0].row, p.examples[0].value) for p in report.problems}
    assert told == {
        ("events", Kind.UNLISTED_ITEM, 3, "i2"),
        ("items", Kind.MISSING_ITEM, 3, ""),
        ("items", Kind.DUPLICATE_ITEM, 4, "i6"),
        ("items", Kind.EMPTY_TITLE, 2, ""),
        ("items", Kind.LONG_TEXT, 5, "5000 characters"),
    }
    assert report.items is not None
    assert (report.items.rows_read, report.items.rows_kept) == (5, 3)


def test_a_single_event_is_kept_and_told_of() -> None:
    data, report = run(events_table([*GOOD, ("solo", "i1", T, "view")]))
    assert KEY.pseudonym("solo") in data.histories.users
    (problem,) = report.of(Kind.SINGLE_EVENT)
    assert [(example.row, example.value) for example in problem.examples] == [(61, "1 event")]


def test_ids_full_of_sql_html_and_newlines_are_only_data() -> None:
    hostile = ["'; DROP TABLE staged_events; --", "<script>alert(1)</script>", "{{7*7}}", "%s"]
    data, _ = run(events_table([(user, user, T, "view") for user in hostile]))
    assert list(data.catalogue.item_ids) == hostile
    assert set(data.histories.users) == {KEY.pseudonym(user) for user in hostile}


def test_an_id_of_ten_megabytes_is_one_rejected_row(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", csv([*GOOD, ("u1", "i" * 10_000_000, T, "view")]))
    _, report = ingest("shop", events=open_source(path), key=KEY, now=NOW)
    (problem,) = report.of(Kind.LONG_ID)
    assert (problem.count, problem.examples[0].row) == (1, 61)
    assert len(problem.examples[0].value) <= 80


def test_a_source_that_breaks_off_raises_its_own_error_and_leaves_nothing(tmp_path: Path) -> None:
    rows: list[Event] = [(f"u{n}", f"i{n * n}", T + n, "view") for n in range(400_000)]
    whole = gzip.compress(csv(rows).encode(), compresslevel=1)
    path = write(tmp_path / "x.csv.gz", whole[:-100])
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(TruncatedSourceError, match=r"x\.csv\.gz"):
        ingest("shop", events=open_source(path), key=KEY, limits=Limits(folder=str(folder)))
    assert list(folder.iterdir()) == []


def test_no_raw_user_id_reaches_the_disk_even_when_cleaning_spills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The private folder is searched while all tables exist and most of them are spilled."""
    marker = "raw-user-id-"
    rows: list[Event] = [
        (f"{marker}{n}", f"seen-item-{n * 7919 % 300_007}", T + n, "view") for n in range(300_000)
    ]
    found: dict[str, int] = {}
    read_histories = ingest_module.read_histories

    def search(
        database: duckdb.DuckDBPyConnection, ordered: OrderedEvents, *, ordinal: bool
    ) -> Histories:
        contents = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
        found["bytes"] = len(contents)
        found["users"] = contents.count(marker.encode())
        found["items"] = contents.count(b"seen-item-")
        return read_histories(database, ordered, ordinal=ordinal)

    monkeypatch.setattr(ingest_module, "read_histories", search)
    limits = Limits(memory="80MB", threads=1, folder=str(tmp_path))
    data, _ = ingest("shop", events=texts(rows), key=KEY, limits=limits)
    assert len(data.histories) == 300_000
    assert found["items"] > 0, "the search would not have seen anything"
    assert found["users"] == 0


def test_limits_do_not_change_the_result() -> None:
    rows: list[Event] = [(f"u{n % 997}", f"i{n % 89}", T + n // 3, "view") for n in range(20_000)]
    small = Limits(memory="100MB", threads=1)
    large = Limits(memory="1GB", threads=3)
    one, two = (
        ingest("shop", events=events_table(rows), key=KEY, limits=limits, now=NOW)
        for limits in (small, large)
    )
    assert one[0].catalogue == two[0].catalogue
    assert one[0].histories.users == two[0].histories.users
    assert one[0].histories.items.tolist() == two[0].histories.items.tolist()
    assert one[1] == two[1]


def test_the_clock_of_this_machine_tells_the_future_by_default() -> None:
    rows = [*GOOD, ("u1", "i1", time.time() + 3600, "view"), ("u1", "i1", time.time() * 2, "view")]
    _, report = ingest("shop", events=events_table(rows), key=KEY)
    assert report.of(Kind.FUTURE_TIME)[0].count == 1


def test_an_unknown_time_zone_is_refused() -> None:
    mapping = SourceMapping(events=EventMapping(zone="Europe/Atlantis"))
    with pytest.raises(InvalidValueError, match="Atlantis"):
        run(events_table(GOOD), mapping=mapping)


def test_a_table_of_other_types_means_the_same_as_one_of_texts() -> None:
    typed, _ = run(events_table([(7, 9, T, "view"), (8, 9, T + 1, "view")]))
    text, _ = run(texts([(7, 9, T, "view"), (8, 9, T + 1, "view")]))
    assert typed.histories.users == text.histories.users
    assert typed.catalogue == text.catalogue


def test_a_user_id_never_stands_in_the_report(tmp_path: Path) -> None:
    user = "alice@example.org"
    lines = csv(GOOD) + f"{user},i1,never,view\n{user},i1,,view\n{user},i1\n{user},,1,1\n"
    _, report = ingest("shop", events=open_source(write(tmp_path / "x.csv", lines)), key=KEY)
    assert len(report.problems) >= 4
    assert user not in str(report.as_dict())
