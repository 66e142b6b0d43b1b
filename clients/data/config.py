"""The section ``[data]`` of node.toml: where events and items come from and how they are read."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from clients.data.mapping import EventMapping, ItemMapping, Rules, SourceMapping
from clients.data.workspace import Limits
from shared.config import StrictModel


class Origin(StrictModel):
    """One table: a file or folder, or a query to a database."""

    path: str = ""
    """CSV, JSON lines or Parquet file, or folder of Parquet files; relative to the home."""
    encoding: str = "utf-8"
    """Character encoding of a CSV file."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Character between the fields of a CSV file."""
    url: str = ""
    """Database instead of a file, as SQLAlchemy writes it, without a password:
    `postgresql+psycopg://reader@db.internal/shop` or `sqlite:///shop.db`."""
    table: str = ""
    """Table or view of the database, `schema.name` or `name`."""
    query: str = ""
    """SELECT statement instead of a table."""
    password_env: str = ""
    """Environment variable that holds the database's password."""
    password_file: str = ""
    """File that holds it, readable by its owner alone."""
    watermark: str = ""
    """Column that grows with arrival (a serial number or an insertion time): later runs read only
    rows from the last value on. Empty: read everything each time."""

    @property
    def given(self) -> bool:
        """Whether it names a source at all."""
        return bool(self.path or self.url)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.path and self.url:
            raise ValueError("give a path or a url, not both")
        if self.url and bool(self.table) == bool(self.query):
            raise ValueError("a url needs a table or a query, and not both")
        if self.watermark and not self.url:
            raise ValueError("a watermark needs a database")
        if self.password_env and self.password_file:
            raise ValueError("give password_env or password_file, not both")
        return self


class EventsConfig(EventMapping, Origin):
    """The events: origin and mapping."""


class ItemsConfig(ItemMapping, Origin):
    """The items: origin and mapping."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.watermark:
            raise ValueError("items are read whole each time; only events have a watermark")
        return self


class FeaturesConfig(StrictModel):
    """Embeddings of images, audio or anything else, beside the items' texts."""

    path: str = ""
    """Parquet file: `item_id` and one list column a modality, null where an item has none;
    relative to the home. Which columns are used, `training.model.modalities` or a plan says."""
    encoders: dict[str, str] = Field(default_factory=dict)
    """Column → what made its vectors, name and version; held against what a plan says. Default:
    the `encoder` in the column's Parquet metadata."""


class DataConfig(StrictModel):
    """A platform's own data."""

    retention_days: float | None = Field(default=None, gt=0)
    """Events older than this are dropped, at ingestion and from the store; none: kept for ever."""
    events: EventsConfig = EventsConfig()
    """Who did what, when."""
    items: ItemsConfig = ItemsConfig()
    """What there is."""
    features: FeaturesConfig = FeaturesConfig()
    """Feature columns of the items."""
    rules: Rules = Rules()
    """What is tolerated."""
    limits: Limits = Limits()
    """What cleaning may use of the machine."""

    @model_validator(mode="after")
    def _repeatable(self) -> Self:
        if self.events.watermark and not self.rules.deduplicate:
            raise ValueError(
                "reading from a watermark on repeats rows at the border: set deduplicate = true"
            )
        if self.events.watermark and self.rules.min_events > 1:
            raise ValueError("a watermark needs min_events = 1: histories grow from run to run")
        return self

    def mapping(self) -> SourceMapping:
        """How both tables are read."""
        return SourceMapping(events=self.events, items=self.items, rules=self.rules)
