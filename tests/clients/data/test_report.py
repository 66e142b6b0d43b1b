"""The report as data, and when it stops a run."""

import json

import pytest

from clients.data.errors import EmptyPlatformError, TooManyRejectedError
from clients.data.mapping import Rules
from clients.data.problems import Example, Kind, Problem
from clients.data.report import TableSummary, ValidationReport, enforce


def problem(kind: Kind, count: int, share: float) -> Problem:
    example = Example(row=3, value="<b>", file="events.csv")
    return Problem(
        kind=kind, table="events", column="event", count=count, share=share, examples=(example,)
    )


def report(*problems: Problem, users: int = 3) -> ValidationReport:
    return ValidationReport(
        platform="shop",
        events=TableSummary(source="events.csv", rows_read=100, rows_kept=90),
        items=None,
        problems=problems,
        users=users,
        catalogue_items=5,
        time_unit="seconds",
        first_time=1_700_000_000.0,
        last_time=1_700_086_400.0,
    )


def test_the_report_is_json_with_reason_and_remedy() -> None:
    values = json.loads(json.dumps(report(problem(Kind.UNKNOWN_EVENT, 10, 0.1)).as_dict()))
    assert values["tables"]["events"]["kept_share"] == 0.9
    assert "items" not in values["tables"]
    (told,) = values["problems"]
    assert told["kind"] == "unknown_event"
    assert told["examples"] == [{"row": 3, "value": "<b>", "file": "events.csv"}]
    assert told["reason"]
    assert told["remedy"]


def test_only_rejections_above_their_limit_stop() -> None:
    rules = Rules(max_rejected=0.1, always_tolerated=5)
    enforce(report(problem(Kind.UNKNOWN_EVENT, 10, 0.1)), rules)
    enforce(report(problem(Kind.UNKNOWN_EVENT, 5, 0.5)), rules)
    enforce(report(problem(Kind.UNLISTED_ITEM, 90, 0.9)), rules)
    with pytest.raises(TooManyRejectedError, match=r"as future_time; .* as unknown_event"):
        enforce(
            report(problem(Kind.UNKNOWN_EVENT, 11, 0.11), problem(Kind.FUTURE_TIME, 20, 0.2)), rules
        )


def test_nothing_left_stops() -> None:
    with pytest.raises(EmptyPlatformError):
        enforce(report(users=0), Rules())
