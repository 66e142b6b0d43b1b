"""What was wrong with a platform's data, row by row, and what remained of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from clients.data.errors import EmptyPlatformError, TooManyRejectedError
from clients.data.mapping import Rules
from clients.data.problems import Kind, Problem, Table

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """Rows of one table, before and after.

    Attributes
    ----------
    source
        Path or URL it was read from.
    rows_read, rows_kept
        Rows in the source, and rows that are part of the data now.
    """

    source: str
    rows_read: int
    rows_kept: int

    @property
    def kept_share(self) -> float:
        """Share of the rows read that were kept, 1 for an empty table."""
        return self.rows_kept / self.rows_read if self.rows_read else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationReport:
    """What a platform's data looked like on the way in. No user id stands in it.

    Attributes
    ----------
    platform
        The platform's name.
    events, items
        Rows read and kept; `items` is none if there was no item source.
    problems
        Every kind of problem found, by table, with examples and remedy.
    users, catalogue_items
        Users with at least one kept event, and items in the catalogue.
    time_unit
        The unit that timestamps were read in; ``"position"`` knows only the order.
    first_time, last_time
        Seconds since 1970 of the first and last kept event; none without times.
    """

    platform: str
    events: TableSummary
    items: TableSummary | None
    problems: tuple[Problem, ...]
    users: int
    catalogue_items: int
    time_unit: str
    first_time: float | None = None
    last_time: float | None = None

    def of(self, kind: Kind) -> tuple[Problem, ...]:
        """The problems of one kind."""
        return tuple(problem for problem in self.problems if problem.kind is kind)

    def rejected(self) -> Iterator[Problem]:
        """The problems that cost rows."""
        return (problem for problem in self.problems if problem.remark.outcome == "rejected")

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        tables = {"events": self.events, "items": self.items}
        return {
            "schema": SCHEMA,
            "platform": self.platform,
            "users": self.users,
            "catalogue_items": self.catalogue_items,
            "time_unit": self.time_unit,
            "first_time": self.first_time,
            "last_time": self.last_time,
            "tables": {name: _summary(table) for name, table in tables.items() if table},
            "problems": [_problem(problem) for problem in self.problems],
        }


def enforce(report: ValidationReport, rules: Rules) -> None:
    """Stop if too much was rejected or nothing is left.

    Raises
    ------
    TooManyRejectedError
        One kind of problem cost a larger share of a table's rows than `rules` allow.
    EmptyPlatformError
        No event is left.
    """
    excess = [problem for problem in _worst(report) if _exceeds(problem, rules)]
    if excess:
        first = excess[0]
        raise TooManyRejectedError(
            "; ".join(
                f"{p.count} of the {p.table} rejected ({p.share:.1%}) as {p.kind}" for p in excess
            ),
            report=report,
            where=_where(report, first),
            remedy=f"{first.remark.remedy}, or raise the threshold for {first.kind}",
        )
    if not report.users:
        raise EmptyPlatformError(
            f"no event is left of the {report.events.rows_read} read",
            report=report,
            where=f"platform {report.platform}, {report.events.source}",
        )


def _worst(report: ValidationReport) -> list[Problem]:
    return sorted(report.rejected(), key=lambda problem: -problem.share)


def _exceeds(problem: Problem, rules: Rules) -> bool:
    return problem.count > rules.always_tolerated and problem.share > rules.limit(problem.kind)


def _where(report: ValidationReport, problem: Problem) -> str:
    where = f"platform {report.platform}"
    if problem.column:
        where += f", column {problem.column}"
    if problem.examples:
        example = problem.examples[0]
        where += f", first in row {example.row} of {example.file}"
        where += f": {example.value!r}" if example.value else ""
    return where


def _summary(table: TableSummary) -> dict[str, Any]:
    return asdict(table) | {"kept_share": table.kept_share}


def _problem(problem: Problem) -> dict[str, Any]:
    remark = problem.remark
    return {
        "kind": str(problem.kind),
        "table": _table(problem.table),
        "column": problem.column,
        "outcome": remark.outcome,
        "count": problem.count,
        "share": problem.share,
        "reason": remark.reason,
        "remedy": remark.remedy,
        "examples": [asdict(example) for example in problem.examples],
    }


def _table(table: Table) -> str:
    return str(table)
