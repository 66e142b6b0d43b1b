"""The report for people."""

import io
from html.parser import HTMLParser

from rich.console import Console

from clients.data.problems import Example, Kind, Problem
from clients.data.report_views import as_html, as_renderable
from tests.clients.data.test_report import problem, report


def printed(*problems: Problem) -> str:
    output = io.StringIO()
    Console(file=output, width=240).print(as_renderable(report(*problems)))
    return output.getvalue()


def test_the_terminal_shows_what_is_wrong_where_and_what_to_do() -> None:
    text = printed(problem(Kind.UNKNOWN_EVENT, 1_000, 0.1))
    for part in ("90 of 100 events kept (90.00%)", "1,000", "row 3: <b>; …", "map the name"):
        assert part in text
    assert "2023-11-14 to 2023-11-15" in text


def test_values_are_neither_markup_nor_html() -> None:
    hostile = Problem(
        kind=Kind.UNKNOWN_EVENT,
        table="events",
        column="[bold]event[/]",
        count=1,
        share=0.01,
        examples=(Example(row=3, value='<script>"&[red]'),),
    )
    assert '<script>"&[red]' in printed(hostile)
    assert "[bold]event[/]" in printed(hostile)
    assert "<script>" not in as_html(report(hostile))


def test_the_html_fragment_is_well_formed_and_complete() -> None:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.text = ""

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

        def handle_data(self, data: str) -> None:
            self.text += data

    parser = Tags()
    parser.feed(as_html(report(problem(Kind.FUTURE_TIME, 2, 0.02))))
    assert parser.open == []
    assert "row 3: <b>" in parser.text


def test_a_clean_report_says_so() -> None:
    assert "No problem found." in printed()
    assert "No problem found." in as_html(report())
