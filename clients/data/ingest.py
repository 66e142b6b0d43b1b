"""The way of a platform's tables into the node: read, pseudonymise, validate, order, number.

Nothing is written outside a private temporary folder, which is gone at the end, and no raw user id
is written even there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb

from clients.data.assembly import read_catalogue, read_histories
from clients.data.cleaning import clean
from clients.data.dataset import PlatformData
from clients.data.findings import Findings
from clients.data.intake import Intake
from clients.data.mapping import SourceMapping
from clients.data.ordering import Counts, OrderedEvents
from clients.data.problems import Tally
from clients.data.pseudonyms import PseudonymKey
from clients.data.report import TableSummary, ValidationReport, enforce
from clients.data.sources import Source, require_columns
from clients.data.staging import (
    Carried,
    create_tables,
    extra_name,
    stage_events,
    stage_items,
    stage_standing,
)
from clients.data.workspace import Limits, workspace
from shared.contract import CATEGORIES, DESCRIPTION, EVENT, ITEM, TIME, TITLE, USER
from shared.progress import SILENT, Reporter

DEFAULT_MAPPING: Final = SourceMapping()
DEFAULT_LIMITS: Final = Limits()
NOTHING_CARRIED: Final = Carried()

_CATALOGUE_SIZE: Final = "SELECT count(*) FROM catalogue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a node knows before it reads a source.

    Attributes
    ----------
    carried
        Events of earlier runs.
    opted_out
        Pseudonyms (16 bytes) of users whose events are dropped.
    earliest
        Seconds since 1970 before which events are dropped; none: all are kept.
    """

    carried: Carried = NOTHING_CARRIED
    opted_out: Sequence[bytes] = ()
    earliest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A cleaned platform, still in its database.

    Attributes
    ----------
    database
        Workspace with the tables ``catalogue`` and ``users``.
    ordered
        Its events, to be read once.
    ordinal
        The source knows the order of events but not their times.
    checked
        To be called when `ordered` has been read: what was wrong. Raises `TooManyRejectedError`
        and `EmptyPlatformError`.
    """

    database: duckdb.DuckDBPyConnection
    ordered: OrderedEvents
    ordinal: bool
    checked: Callable[[], ValidationReport]


NOTHING_BEFORE: Final = Standing()


def ingest(
    name: str,
    *,
    events: Source,
    items: Source | None = None,
    key: PseudonymKey,
    mapping: SourceMapping = DEFAULT_MAPPING,
    limits: Limits = DEFAULT_LIMITS,
    now: float | None = None,
) -> tuple[PlatformData, ValidationReport]:
    """Read one platform's events and items into memory.

    Parameters
    ----------
    name
        The platform's name.
    events, items
        Where the tables come from; without `items` the catalogue has ids but no texts.
    key
        Key of the pseudonyms.
    mapping
        Columns, event names, time unit and rules.
    limits
        Memory and threads; they do not change the result.
    now
        Seconds since 1970 beyond which events lie in the future; this machine's clock by default.

    Returns
    -------
    tuple[PlatformData, ValidationReport]
        What is good, and what was wrong with the rest.

    Raises
    ------
    MissingColumnError
        A source lacks a mapped column.
    TruncatedSourceError, MalformedSourceError, WrongEncodingError, UnreadableSourceError
        A source cannot be read to its end.
    TooManyRejectedError
        More rows were rejected than the mapping's rules allow.
    EmptyPlatformError
        No event is left.
    """
    with cleaned(
        name, events=events, items=items, key=key, mapping=mapping, limits=limits, now=now
    ) as result:
        histories = read_histories(result.database, result.ordered, ordinal=result.ordinal)
        report = result.checked()
        catalogue = read_catalogue(result.database)
    return PlatformData(name=name, catalogue=catalogue, histories=histories), report


@contextmanager
def cleaned(
    name: str,
    *,
    events: Source,
    items: Source | None = None,
    key: PseudonymKey,
    mapping: SourceMapping = DEFAULT_MAPPING,
    limits: Limits = DEFAULT_LIMITS,
    now: float | None = None,
    standing: Standing = NOTHING_BEFORE,
    progress: Reporter = SILENT,
) -> Iterator[Cleaned]:
    """Clean one platform's tables out of core, for as long as the context lasts.

    Parameters and errors are those of `ingest`; besides, `standing` is what earlier runs left, and
    `progress` is told how far it is.
    """
    with workspace(limits, zone=mapping.events.zone) as database:
        arriving = _event_intake(events, mapping, key)
        listed = None if items is None else _item_intake(items, mapping)
        create_tables(database)
        stage_standing(database, standing.carried, standing.opted_out)
        arriving.watch(progress.step("events"))
        stage_events(database, arriving, mapping.events.codes())
        if listed is not None:
            listed.watch(progress.step("items"))
            stage_items(
                database, listed, mapping.items.category_separator, len(mapping.items.extra)
            )
        unit = clean(
            database,
            mapping.rules,
            unit=mapping.events.time_unit,
            now=time.time() if now is None else now,
            earliest=standing.earliest,
        )
        ordered = OrderedEvents(database, mapping.rules)

        def checked() -> ValidationReport:
            report = _report(name, database, mapping, arriving, listed, unit, ordered.counts)
            enforce(report, mapping.rules)
            return report

        yield Cleaned(
            database=database, ordered=ordered, ordinal=unit == "position", checked=checked
        )


def require_mapped(events: Source, items: Source | None, mapping: SourceMapping) -> None:
    """Insist that the sources can be read and have the columns that the mapping names.

    Raises
    ------
    DataError
    """
    _event_intake(events, mapping, None)
    if items is not None:
        _item_intake(items, mapping)


def _event_intake(source: Source, mapping: SourceMapping, key: PseudonymKey | None) -> Intake:
    columns = mapping.events.columns
    wanted = {
        USER: columns.user_id,
        ITEM: columns.item_id,
        TIME: columns.timestamp,
        EVENT: columns.event,
    }
    tally = Tally("events", mapping.rules.examples)
    return _intake(
        source, wanted, tally, key=key, absent=mapping.events.default_event, coded=(ITEM, EVENT)
    )


def _item_intake(source: Source, mapping: SourceMapping) -> Intake:
    columns = mapping.items.columns
    wanted = {
        ITEM: columns.item_id,
        TITLE: columns.title,
        CATEGORIES: columns.categories,
        DESCRIPTION: columns.description,
    }
    wanted |= {extra_name(n): column for n, column in enumerate(mapping.items.extra.values())}
    return _intake(source, wanted, Tally("items", mapping.rules.examples), key=None, absent="")


def _intake(
    source: Source,
    wanted: dict[str, str | None],
    tally: Tally,
    *,
    key: PseudonymKey | None,
    absent: str,
    coded: tuple[str, ...] = (),
) -> Intake:
    """An intake of the columns that the mapping names; `absent` stands in the others."""
    columns = {name: column for name, column in wanted.items() if column is not None}
    require_columns(source, list(columns.values()))
    constants = {name: absent for name in wanted if name not in columns}
    return Intake(source, columns, tally, key=key, constants=constants, coded=coded)


def _report(
    name: str,
    database: duckdb.DuckDBPyConnection,
    mapping: SourceMapping,
    arriving: Intake,
    listed: Intake | None,
    unit: str,
    counts: Counts,
) -> ValidationReport:
    findings = Findings(database=database, tally=arriving.tally, place=arriving.source.place)
    findings.count_events(mapping.events.columns, mapping.rules, counts, listed=listed is not None)
    problems, items = arriving.tally.problems(arriving.rows), None
    if listed is not None:
        own = Findings(database=database, tally=listed.tally, place=listed.source.place)
        own.count_items(mapping.items.columns)
        problems += listed.tally.problems(listed.rows)
        items = _summary(listed, own.items_kept())
    catalogue = int(database.execute(_CATALOGUE_SIZE).fetchall()[0][0])
    dated = unit != "position"
    return ValidationReport(
        platform=name,
        events=_summary(arriving, counts.fresh),
        items=items,
        problems=problems,
        users=len(counts.user_counts()[0]),
        catalogue_items=catalogue,
        time_unit=unit,
        first_time=counts.first if dated else None,
        last_time=counts.last if dated else None,
    )


def _summary(intake: Intake, kept: int) -> TableSummary:
    return TableSummary(source=intake.source.name, rows_read=intake.rows, rows_kept=kept)
