"""Every kind of problem that cleaning knows, and a tally of where each one occurred."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

LONGEST_SHOWN: Final = 80

Outcome = Literal["rejected", "repaired", "kept"]
Table = Literal["events", "items"]


class Kind(StrEnum):
    """What can be wrong with a row; the value is the name used in JSON and in thresholds."""

    MALFORMED_ROW = "malformed_row"
    BAD_ENCODING = "bad_encoding"
    MISSING_USER = "missing_user"
    MISSING_ITEM = "missing_item"
    MISSING_TIME = "missing_time"
    LONG_ID = "long_id"
    WRONG_TIME = "wrong_time"
    EARLY_TIME = "early_time"
    MIXED_UNITS = "mixed_units"
    FUTURE_TIME = "future_time"
    UNKNOWN_EVENT = "unknown_event"
    OPTED_OUT = "opted_out"
    EXPIRED = "expired"
    DUPLICATE_EVENT = "duplicate_event"
    UNLISTED_ITEM = "unlisted_item"
    SINGLE_EVENT = "single_event"
    SHORT_HISTORY = "short_history"
    DUPLICATE_ITEM = "duplicate_item"
    EMPTY_TITLE = "empty_title"
    LONG_TEXT = "long_text"


@dataclass(frozen=True, slots=True)
class Remark:
    """What a kind of problem means, what was done about it, and what its reader can do."""

    outcome: Outcome
    reason: str
    remedy: str


REMARKS: Final[dict[Kind, Remark]] = {
    Kind.MALFORMED_ROW: Remark(
        "rejected",
        "the row does not have the header's number of fields, or is no JSON object",
        "quote fields that contain the delimiter, and check that the file was written to its end",
    ),
    Kind.BAD_ENCODING: Remark(
        "rejected",
        "the text is not valid in the declared encoding",
        "export as UTF-8, or name the file's encoding in the mapping",
    ),
    Kind.MISSING_USER: Remark(
        "rejected", "the user id is empty", "leave anonymous events out of the export"
    ),
    Kind.MISSING_ITEM: Remark(
        "rejected", "the item id is empty", "leave out rows that concern no item"
    ),
    Kind.MISSING_TIME: Remark(
        "rejected", "the timestamp is empty", "export the time of every event"
    ),
    Kind.LONG_ID: Remark(
        "rejected",
        "the id is longer than 512 characters",
        "check that the mapping names the id column",
    ),
    Kind.WRONG_TIME: Remark(
        "rejected",
        "the timestamp is neither a number nor an ISO 8601 date",
        "export seconds since 1970 or ISO 8601 with a zone",
    ),
    Kind.EARLY_TIME: Remark(
        "rejected",
        "the timestamp lies before 1970",
        "leave out events whose time is unknown instead of giving them a placeholder",
    ),
    Kind.MIXED_UNITS: Remark(
        "rejected",
        "the timestamp's magnitude belongs to another unit than that of the source",
        "export all timestamps in one unit, or name the unit in the mapping",
    ),
    Kind.FUTURE_TIME: Remark(
        "rejected",
        "the timestamp lies in the future",
        "check the source's clock and time zone, or raise future_tolerance",
    ),
    Kind.UNKNOWN_EVENT: Remark(
        "rejected",
        "no event type of the contract has this name",
        "map the name to an event type in the mapping, or leave such events out",
    ),
    Kind.OPTED_OUT: Remark(
        "rejected", "the user has opted out", "leave such users out of the export as well"
    ),
    Kind.EXPIRED: Remark(
        "rejected",
        "the event is older than the retention period",
        "nothing to do; retention_days sets the period",
    ),
    Kind.DUPLICATE_EVENT: Remark(
        "rejected",
        "the same user, item, time and event type stand in an earlier row",
        "check the export for repeated batches, or set deduplicate = false",
    ),
    Kind.UNLISTED_ITEM: Remark(
        "kept",
        "the item is not in the item source and has no text",
        "export the item, so that it can be recommended by its content",
    ),
    Kind.SINGLE_EVENT: Remark(
        "kept",
        "the user has one event, too few to learn an order from",
        "nothing to do; set min_events = 2 to leave such users out",
    ),
    Kind.SHORT_HISTORY: Remark(
        "rejected",
        "the user has fewer events than min_events",
        "lower min_events to keep such users",
    ),
    Kind.DUPLICATE_ITEM: Remark(
        "rejected",
        "an earlier row describes the same item; the first one counts",
        "export each item once",
    ),
    Kind.EMPTY_TITLE: Remark(
        "kept", "the title is empty", "export titles: content-based parts see nothing of this item"
    ),
    Kind.LONG_TEXT: Remark(
        "repaired", "the text is longer than allowed and was cut", "export a shorter text"
    ),
}


@dataclass(frozen=True, slots=True)
class Example:
    """One offending cell: row (1 = first row after the header), its file, and what it held.

    `value` is empty where it would disclose a user id.
    """

    row: int
    value: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """All rows of one table that share a kind of problem in one column."""

    kind: Kind
    table: Table
    column: str
    count: int
    share: float
    examples: tuple[Example, ...]

    @property
    def remark(self) -> Remark:
        """Reason, outcome and remedy."""
        return REMARKS[self.kind]


@dataclass(slots=True)
class Tally:
    """Counts problems of one table while it is read, and keeps the first examples of each."""

    table: Table
    limit: int
    counts: dict[tuple[Kind, str], int] = field(default_factory=lambda: defaultdict(int))
    examples: dict[tuple[Kind, str], list[Example]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, kind: Kind, column: str, count: int, examples: Iterable[Example] = ()) -> None:
        """Count `count` more rows; only the first examples within the limit are kept."""
        if not count:
            return
        self.counts[kind, column] += count
        kept = self.examples[kind, column]
        for example in examples:
            if len(kept) >= self.limit:
                break
            kept.append(example)

    def problems(self, rows: int) -> tuple[Problem, ...]:
        """The problems found, in order of `Kind`, with shares of `rows`."""
        order = {kind: position for position, kind in enumerate(Kind)}
        return tuple(
            Problem(
                kind=kind,
                table=self.table,
                column=column,
                count=count,
                share=count / max(rows, 1),
                examples=tuple(self.examples[kind, column]),
            )
            for (kind, column), count in sorted(
                self.counts.items(), key=lambda entry: (order[entry[0][0]], entry[0][1])
            )
        )


def shown(value: object) -> str:
    """`value` on one printable line of at most 80 characters, safe for logs and terminals."""
    text = value if isinstance(value, str) else str(value)
    cut = text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
