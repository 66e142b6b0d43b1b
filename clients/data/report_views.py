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
_STYLE: Final = """
:root{color-scheme:light dark;--line:#c9ced6;--soft:#f3f5f8;--ink:#1b2330;--dim:#55606f;
--rejected:#a3261b;--repaired:#8a5300;--kept:#20633a}
@media (prefers-color-scheme:dark){:root{--line:#3b4350;--soft:#1e242d;--ink:#e7eaef;--dim:#a9b3c1;
--rejected:#ff9b8f;--repaired:#f2bd6b;--kept:#83d3a0}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.5rem;max-width:90rem;
color:var(--ink);background:light-dark(#fff,#141920);overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .5rem}h2{font-size:1rem;font-weight:600;color:var(--dim)}
table{border-collapse:collapse;width:100%}caption{text-align:left;color:var(--dim);padding:.3rem 0}
th,td{border-bottom:1px solid var(--line);padding:.45rem .7rem;text-align:left;vertical-align:top}
th{background:var(--soft);white-space:nowrap}
td[data-name=rows],td[data-name=share]{text-align:right;font-variant-numeric:tabular-nums}
td[data-name=table],td[data-name=rows],td[data-name=share]{white-space:nowrap}
th:nth-child(4),th:nth-child(5){text-align:right}
td[data-name=outcome] span{font-weight:600}
.rejected{color:var(--rejected)}.repaired{color:var(--repaired)}.kept{color:var(--kept)}
@media (max-width:60rem){thead{position:absolute;clip-path:inset(50%);width:1px;overflow:hidden}
tr{display:block;border:1px solid var(--line);border-radius:.4rem;margin:.6rem 0}
tbody,table{display:block}caption{display:block}
td,td[data-name=rows],td[data-name=share]{display:grid;grid-template-columns:5.5rem minmax(0,1fr);
border:0;padding:.2rem .6rem;text-align:left}
td::before{content:attr(data-name);color:var(--dim)}}
"""
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
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


def as_html(report: ValidationReport, level: int = 3) -> str:
    """The report as a ``<section>`` that can stand in any page; every value is escaped.

    `level` is that of its heading.
    """
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADINGS)
    rows = "".join(map(_html_row, report.problems))
    body = (
        "<table><caption>What was wrong, and what became of it</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else "<p>No problem found.</p>"
    )
    heading = f"<h{level}>{escape(_headline(report))}</h{level}>"
    return f'<section class="validation">{heading}{body}</section>'


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


def _html_row(problem: Problem) -> str:
    cells = zip(_HEADINGS, _cells(problem, len(problem.examples)), strict=True)
    return "<tr>" + "".join(_html_cell(*cell) for cell in cells) + "</tr>"


def _html_cell(name: str, text: str) -> str:
    """A cell that names its column, for screens too narrow for a table."""
    style = f' class="{text}"' if name == "outcome" else ""
    return f'<td data-name="{name}"><span{style}>{escape(text)}</span></td>'


def as_page(report: ValidationReport) -> str:
    """The report as a page of its own; it loads nothing and runs nothing."""
    title = escape(f"Ingestion of {report.platform}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{as_html(report, level=2)}</main></body></html>\n"
    )
