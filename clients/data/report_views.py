"""A validation report for the terminal and as a fragment of an HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.data.problems import Example, Problem
from clients.data.report import TableSummary, ValidationReport

EXAMPLES_SHOWN: Final = 3
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:90rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}"
)
_HEADINGS: Final = ("table", "column", "problem", "rows", "share", "outcome", "examples", "remedy")


def as_renderable(report: ValidationReport) -> RenderableType:
    """The report for a rich console."""
    heading = Text(_headline(report), style="bold")
    if not report.problems:
        return Group(heading, Text("No problem found."))
    table = Table(*_HEADINGS[:3])
    for name in _HEADINGS[3:5]:
        table.add_column(name, justify="right")
    for name in _HEADINGS[5:]:
        table.add_column(name, overflow="fold")
    for problem in report.problems:
        # Text, since values may contain what rich takes for markup.
        table.add_row(*(Text(cell) for cell in _cells(problem, EXAMPLES_SHOWN)))
    return Group(heading, table)


def as_html(report: ValidationReport) -> str:
    """The report as a ``<section>`` that can stand in any page; every value is escaped."""
    head = _html_row(_HEADINGS, "th")
    rows = "".join(_html_row(_cells(p, len(p.examples)), "td") for p in report.problems)
    body = (
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
        if rows
        else "<p>No problem found.</p>"
    )
    return f'<section class="validation"><h3>{escape(_headline(report))}</h3>{body}</section>'


def _headline(report: ValidationReport) -> str:
    parts = [f"{report.platform}: {_kept('events', report.events)}"]
    if report.items is not None:
        parts.append(_kept("items", report.items))
    parts.append(f"{report.users:,} users, {report.catalogue_items:,} items in the catalogue")
    if report.first_time is not None and report.last_time is not None:
        parts.append(f"{_day(report.first_time)} to {_day(report.last_time)}")
    return "; ".join(parts)


def _kept(name: str, table: TableSummary) -> str:
    share = f"{table.kept_share:.2%}"
    return f"{table.rows_kept:,} of {table.rows_read:,} {name} kept ({share})"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).date().isoformat()


def _cells(problem: Problem, examples: int) -> Sequence[str]:
    remark = problem.remark
    return (
        problem.table,
        problem.column,
        remark.reason,
        f"{problem.count:,}",
        f"{problem.share:.2%}",
        remark.outcome,
        _examples(problem.examples[:examples], problem.count),
        remark.remedy,
    )


def _examples(examples: Iterable[Example], count: int) -> str:
    shown = [f"row {e.row}: {e.value}" if e.value else f"row {e.row}" for e in examples]
    return "; ".join(shown) + ("; …" if count > len(shown) else "")


def _html_row(cells: Iterable[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def as_page(report: ValidationReport) -> str:
    """The report as a page of its own; it loads nothing and runs nothing."""
    title = escape(f"Ingestion of {report.platform}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{as_html(report)}</body></html>\n"
    )
