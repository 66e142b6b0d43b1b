"""How a platform's own tables are read as the contract: columns, event names, time, rules.

All of it can stand in a TOML file::

    [events.columns]
    user_id = "customer_no"
    item_id = "sku"
    timestamp = "happened_at"
    event = "action"

    [events.event_names]
    "add to basket" = "cart"

    [items.columns]
    item_id = "sku"
    title = "name"

    [rules]
    min_events = 2
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, field_validator

from clients.data.problems import Kind
from shared.config import StrictModel
from shared.contract import EVENT_TYPES

TimeUnit = Literal[
    "auto", "seconds", "milliseconds", "microseconds", "nanoseconds", "iso", "position"
]

_LENIENT: Final = {
    Kind.DUPLICATE_EVENT: 0.5,
    Kind.SHORT_HISTORY: 1.0,
    Kind.OPTED_OUT: 1.0,
    Kind.EXPIRED: 1.0,
}


class EventColumns(StrictModel):
    """Names of the event source's columns."""

    user_id: str = "user_id"
    """Column of the platform's own user id; becomes a pseudonym at the door."""
    item_id: str = "item_id"
    """Column of the item id."""
    timestamp: str = "timestamp"
    """Column of the time, or of the position in the user's history."""
    event: str | None = "event"
    """Column of the event name; none if every row is `default_event`."""


class EventMapping(StrictModel):
    """How the event source is read."""

    columns: EventColumns = EventColumns()
    """Names of the columns."""
    event_names: dict[str, str] = Field(default_factory=dict)
    """The platform's event names, each with the event type it means; case does not matter."""
    default_event: str = "view"
    """Event type of every row where the source has no event column."""
    time_unit: TimeUnit = "auto"
    """Unit of numeric timestamps; `auto` decides by the magnitude of most rows."""
    zone: str = "UTC"
    """Time zone of dates that name none, as in the IANA database."""

    @field_validator("event_names")
    @classmethod
    def _known_types(cls, names: dict[str, str]) -> dict[str, str]:
        for name, kind in names.items():
            if kind not in EVENT_TYPES:
                raise ValueError(f"{name!r} maps to {kind!r}; known: {', '.join(EVENT_TYPES)}")
        return names

    @field_validator("default_event")
    @classmethod
    def _known_default(cls, kind: str) -> str:
        if kind not in EVENT_TYPES:
            raise ValueError(f"{kind!r} is no event type; known: {', '.join(EVENT_TYPES)}")
        return kind

    def codes(self) -> dict[str, int]:
        """Index into `EVENT_TYPES` by lower-case event name, the contract's own names included."""
        own = {
            name.strip().lower(): EVENT_TYPES.index(kind) for name, kind in self.event_names.items()
        }
        return {kind: code for code, kind in enumerate(EVENT_TYPES)} | own


class ItemColumns(StrictModel):
    """Names of the item source's columns."""

    item_id: str = "item_id"
    """Column of the item id."""
    title: str | None = "title"
    """Column of the title; none if there is none."""
    categories: str | None = "categories"
    """Column of the categories: one text with separators, or a list; none if there is none."""
    description: str | None = None
    """Column of the description; none if there is none."""


class ItemMapping(StrictModel):
    """How the item source is read."""

    columns: ItemColumns = ItemColumns()
    """Names of the columns."""
    category_separator: str = Field(default="|", min_length=1)
    """What separates categories within one text."""
    extra: dict[str, str] = Field(default_factory=dict, max_length=50)
    """Further columns for filters and rules: name → column of the source, such as
    `stock = "quantity"`."""


class Rules(StrictModel):
    """What is tolerated, and from which share of rejected rows on the run stops."""

    max_rejected: float = Field(default=0.1, ge=0, le=1)
    """Largest share of a table's rows that one kind of problem may cost."""
    max_rejected_by_kind: dict[Kind, float] = Field(default_factory=dict)
    """The same for single kinds, by name; repeated events have 0.5, short histories, opted-out
    users and events beyond the retention period 1."""
    always_tolerated: int = Field(default=5, ge=0)
    """Up to this many rows of one kind never stop a run: shares of tiny tables say nothing."""
    min_events: int = Field(default=1, ge=1)
    """Users with fewer events are left out."""
    deduplicate: bool = True
    """Drop repetitions of (user, item, time, event type), keeping the first row."""
    future_tolerance: float = Field(default=86_400.0, ge=0)
    """Seconds by which a timestamp may lie ahead of this machine's clock."""
    examples: int = Field(default=20, ge=0)
    """Rows that the report names for each kind of problem."""

    def limit(self, kind: Kind) -> float:
        """Largest tolerated share of rejected rows of `kind`."""
        own = self.max_rejected_by_kind
        return own.get(kind, _LENIENT.get(kind, self.max_rejected))


class SourceMapping(StrictModel):
    """The whole mapping of one platform."""

    events: EventMapping = EventMapping()
    """How events are read."""
    items: ItemMapping = ItemMapping()
    """How items are read."""
    rules: Rules = Rules()
    """What is tolerated."""
