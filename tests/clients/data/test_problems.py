"""Kinds of problems and their tally."""

from hypothesis import given
from hypothesis import strategies as st

from clients.data.problems import REMARKS, Example, Kind, Tally, shown


def test_every_kind_has_a_reason_and_a_remedy() -> None:
    assert set(REMARKS) == set(Kind)
    assert all(remark.reason and remark.remedy for remark in REMARKS.values())


def test_a_tally_counts_everything_and_keeps_the_first_examples() -> None:
    tally = Tally("events", 2)
    tally.add(Kind.WRONG_TIME, "timestamp", 2, [Example(4), Example(7)])
    tally.add(Kind.WRONG_TIME, "timestamp", 3, [Example(9)])
    tally.add(Kind.MISSING_USER, "user_id", 1, [Example(5)])
    tally.add(Kind.LONG_ID, "item_id", 0, [Example(1)])
    first, second = tally.problems(12)
    assert (first.kind, first.count) == (Kind.MISSING_USER, 1)
    assert (second.count, second.share) == (5, 5 / 12)
    assert [example.row for example in second.examples] == [4, 7]


@given(st.text() | st.integers() | st.floats())
def test_a_shown_value_is_one_short_printable_line(value: object) -> None:
    text = shown(value)
    assert text.isprintable()
    assert len(text) <= 80 * len("\\U0010ffff")


def test_a_shown_value_cannot_forge_a_log_line() -> None:
    assert shown("a\n[CRITICAL] \x1b[31mfake") == "a\\n[CRITICAL] \\x1b[31mfake"
    assert shown("é 中") == "é 中"
