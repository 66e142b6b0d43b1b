"""Generated platforms for four fields of use, any size, with planted cross-platform taste.

No real data set with text holds several event types, or is about education or finance, and may be
used here; so these are generated. They serve to test and to demonstrate, never to claim quality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field as Bounds

from shared.config import StrictModel
from shared.contract import EVENT, ITEM, TIME, USER
from shared.errors import InvalidValueError
from simulations.datasets.behaviour import Habits, Sequences, Shelves, simulate
from simulations.datasets.federate import federate
from simulations.datasets.federation import FederationData
from simulations.datasets.item_texts import write_items
from simulations.datasets.joint import PLATFORM, JointTable
from simulations.datasets.vocabulary import Field, Vocabulary, vocabulary

SOURCE: Final = "generated; no person behind it"
LICENCE: Final = "same as the code"
FEWEST_EVENTS: Final = 5


class GeneratorSettings(StrictModel):
    """What to generate."""

    field: Field = "ecommerce"
    """Field of use: words and event types."""
    users: tuple[int, ...] = (1000, 1000, 1000)
    """Users of each platform; as many platforms as numbers."""
    items: tuple[int, ...] = (600, 600, 600)
    """Items of each platform."""
    events_per_user: float = Bounds(default=20.0, ge=FEWEST_EVENTS)
    """Mean number of events of a user on one platform."""
    overlap: float = Bounds(default=0.5, ge=0, le=1)
    """Share of a platform's users that come from the crowd that platforms have in common."""
    habits: Habits = Habits()
    """Strength of the planted structure."""
    seed: int = 0
    """Decides everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """Generated tables in the folder format, and what was planted.

    Attributes
    ----------
    settings
        What was asked for.
    events
        Columns platform, user_id, item_id, timestamp (seconds), event.
    items
        Columns platform, item_id, title, categories, description.
    topics
        (N,) planted topic of each row of `items`.
    """

    settings: GeneratorSettings
    events: pa.Table
    items: pa.Table
    topics: NDArray[np.int64]


def generate(settings: GeneratorSettings) -> Generated:
    """Generate platforms; the same settings give the same tables.

    Raises
    ------
    InvalidValueError
        Users and items do not name the same number of platforms, or more than there are names for.
    """
    words = vocabulary(settings.field)
    names = _platform_names(settings, words)
    generator = np.random.default_rng(settings.seed)
    crowd, members = _members(settings, generator)
    tastes = generator.dirichlet(np.full(len(words.topics), settings.habits.focus), crowd)
    platforms = [
        _platform(name, people, tastes[people], count, words, settings, generator)
        for name, people, count in zip(names, members, settings.items, strict=True)
    ]
    return Generated(
        settings=settings,
        events=pa.concat_tables([platform[0] for platform in platforms]),
        items=pa.concat_tables([platform[1] for platform in platforms]),
        topics=np.concatenate([platform[2] for platform in platforms]),
    )


def load_generated(settings: GeneratorSettings, *, seed: int = 0) -> FederationData:
    """Generate platforms and ingest them as any other data; `seed` keys the pseudonyms."""
    generated = generate(settings)
    return federate(
        f"generated-{settings.field}",
        _joint("generated events", generated.events),
        _joint("generated items", generated.items),
        seed=seed,
        source=SOURCE,
        licence=LICENCE,
    )


def _platform_names(settings: GeneratorSettings, words: Vocabulary) -> list[str]:
    count = len(settings.users)
    if len(settings.items) != count or not 1 <= count <= len(words.platforms):
        raise InvalidValueError(
            f"{count} platforms by users, {len(settings.items)} by items",
            where="users, items",
            remedy=f"give both the same 1 to {len(words.platforms)} numbers",
        )
    return words.platforms[:count]


def _members(
    settings: GeneratorSettings, generator: np.random.Generator
) -> tuple[int, list[NDArray[np.int64]]]:
    """Number of persons in all, and who is a user of which platform."""
    shared = [round(settings.overlap * users) for users in settings.users]
    persons = max(shared)
    members = []
    for users, common in zip(settings.users, shared, strict=True):
        own = np.arange(persons, persons + users - common)
        crowd = generator.permutation(max(shared))[:common]
        members.append(generator.permutation(np.concatenate([crowd, own])))
        persons += len(own)
    return persons, members


def _platform(
    name: str,
    people: NDArray[np.int64],
    tastes: NDArray[np.float64],
    item_count: int,
    words: Vocabulary,
    settings: GeneratorSettings,
    generator: np.random.Generator,
) -> tuple[pa.Table, pa.Table, NDArray[np.int64]]:
    """Events, items and the items' topics of one platform."""
    topics, habits = len(words.topics), settings.habits
    assortment = generator.dirichlet(np.full(topics, 5.0))
    cells = _cells(item_count, assortment, words.parts_per_topic, generator)
    shelves = Shelves.fill(cells, topics * words.parts_per_topic, generator)
    local = generator.dirichlet(np.full(topics, habits.focus), len(people))
    mixed = (habits.agreement * tastes + (1 - habits.agreement) * local + 1e-6) * assortment
    sequences = simulate(
        mixed / mixed.sum(axis=1, keepdims=True),
        _lengths(len(people), settings.events_per_user, generator),
        shelves,
        words.event_steps(),
        words.events.index(words.closing),
        habits,
        generator,
    )
    items = write_items(name, cells, words, generator)
    events = _events(name, people, items, words, sequences)
    return events, _named(items, name), cells // words.parts_per_topic


def _cells(
    count: int, assortment: NDArray[np.float64], parts: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """A cell for each item: every cell once if there are enough items, the rest by assortment."""
    cells = len(assortment) * parts
    weights = np.repeat(assortment / parts, parts)
    rest = generator.choice(cells, size=max(count - cells, 0), p=weights)
    return generator.permutation(np.concatenate([np.arange(cells), rest]))[:count]


def _lengths(count: int, mean: float, generator: np.random.Generator) -> NDArray[np.int64]:
    """Log-normal numbers of events with the given mean, none below the fewest."""
    spread = 0.7
    extra = generator.lognormal(-(spread**2) / 2, spread, count) * (mean - FEWEST_EVENTS)
    return FEWEST_EVENTS + np.rint(extra).astype(np.int64)


def _events(
    name: str, people: NDArray[np.int64], items: pa.Table, words: Vocabulary, found: Sequences
) -> pa.Table:
    """Events of one platform in order of time, as a platform would log them."""
    order = np.argsort(found.times, kind="stable")
    ids = pa.array([f"u{person:07d}" for person in people.tolist()])
    table = pa.table(
        {
            USER: ids.take(pa.array(found.users[order])),
            ITEM: items.column(ITEM).combine_chunks().take(pa.array(found.items[order])),
            TIME: found.times[order],
            EVENT: pa.array(words.events).take(pa.array(found.events[order])),
        }
    )
    return _named(table, name)


def _named(table: pa.Table, platform: str) -> pa.Table:
    return table.add_column(0, PLATFORM, pa.repeat(pa.scalar(platform), len(table)))


def _joint(name: str, table: pa.Table) -> JointTable:
    return JointTable(
        name=name,
        platforms=table.column(PLATFORM).combine_chunks(),
        table=table.drop_columns([PLATFORM]),
        rows=np.arange(1, len(table) + 1),
        malformed={},
    )
