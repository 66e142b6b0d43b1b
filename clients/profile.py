"""A user's portrait, from the platform's own events and catalogue and nothing else.

Interests are categories, weighted by recent events; activity says when and how the user is here;
novelty says how far from the crowd the user's items are. Nothing about the person is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from clients.data.dataset import Float64s, Histories, Int64s
from clients.ranking.facts import ItemFacts
from shared.contract import EVENT_TYPES

DECAY: Final = 0.97
"""Weight ``DECAY ** age`` of an event in interests, age 0 for the latest."""
COMMON: Final = 0.5
"""Labels of more than this share of the catalogue say nothing about a user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitInterest:
    """One interest.

    Attributes
    ----------
    label
        Category of the platform.
    weight
        Share of the user's weighted events, 0 to 1; an event counts for all its categories alike.
    events
        How many events it rests on.
    items
        The user's items in it, the latest first.
    """

    label: str
    weight: float
    events: int
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What the platform's data say about one user.

    Attributes
    ----------
    events, items
        Number of events and of distinct items.
    interests
        The strongest first.
    by_event
        Event type → number.
    by_weekday, by_hour
        (7,) from Monday and (24,) numbers of events; None where the source knows no times.
    novelty
        Mean over the user's items of ``-log2(share of users who met the item)``, bits (Zhou et al.,
        PNAS 2010); None without events.
    platform_novelty
        The same over all events of the platform, for comparison.
    """

    events: int
    items: int
    interests: tuple[PortraitInterest, ...]
    by_event: Mapping[str, int]
    by_weekday: tuple[int, ...] | None
    by_hour: tuple[int, ...] | None
    novelty: float | None
    platform_novelty: float

    def as_json(self, item_ids: tuple[str, ...], examples: int = 3) -> dict[str, Any]:
        """As plain values, items by id."""
        interests = [
            {
                "label": one.label,
                "weight": one.weight,
                "events": one.events,
                "examples": [item_ids[item] for item in one.items[:examples]],
            }
            for one in self.interests
        ]
        return {**asdict(self), "interests": interests}


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many of the platform's users met each item.

    Attributes
    ----------
    surprise
        (N,) ``-log2`` of the share of users, half a user added to each item.
    mean
        Mean surprise over all events.
    """

    surprise: Float64s
    mean: float

    @classmethod
    def of(cls, histories: Histories, n_items: int) -> Crowd:
        """Count users."""
        owners = np.repeat(np.arange(len(histories)), histories.lengths)
        met = np.unique(owners * n_items + histories.items) % n_items
        users = np.bincount(met, minlength=n_items) + 0.5
        surprise = -np.log2(users / (len(histories) + 1))
        events = surprise[histories.items]
        return cls(surprise, float(events.mean()) if len(events) else 0.0)


def portrait(
    history: Histories, facts: ItemFacts, crowd: Crowd, *, interests: int = 5, zone: str = "UTC"
) -> Portrait:
    """The portrait of the one user of `history`.

    Parameters
    ----------
    interests
        Most interests.
    zone
        Time zone in which weekdays and hours are counted.
    """
    distinct = np.unique(history.items)
    moments = None if history.ordinal else [_moment(t, zone) for t in history.times.tolist()]
    return Portrait(
        events=len(history.items),
        items=len(distinct),
        interests=_interests(history, facts)[:interests],
        by_event={
            EVENT_TYPES[event]: int(count)
            for event, count in enumerate(np.bincount(history.events, minlength=1).tolist())
            if count
        },
        by_weekday=_counts([m.weekday() for m in moments], 7) if moments is not None else None,
        by_hour=_counts([m.hour for m in moments], 24) if moments is not None else None,
        novelty=float(crowd.surprise[distinct].mean()) if len(distinct) else None,
        platform_novelty=crowd.mean,
    )


def named_interests(
    found: Portrait, facts: ItemFacts, item: int, count: int = 2
) -> tuple[PortraitInterest, ...]:
    """The interests that a text about `item` names: the strongest of those that it belongs to.

    The strongest of all where it belongs to none.
    """
    labels = facts.categories.names_of(item)
    own = [one for one in found.interests if one.label in labels]
    return tuple(own or found.interests)[:count]


def _interests(history: Histories, facts: ItemFacts) -> tuple[PortraitInterest, ...]:
    codes = facts.categories
    usual = np.bincount(codes.numbers, minlength=len(codes.names)) > COMMON * len(facts)
    weights: dict[int, float] = {}
    events: dict[int, int] = {}
    items: dict[int, dict[int, None]] = {}
    for age, item in enumerate(reversed(history.items.tolist())):
        labels = [n for n in set(codes.of_item(item).tolist()) if not usual[n]]
        for label in labels:
            weights[label] = weights.get(label, 0.0) + DECAY**age / len(labels)
            events[label] = events.get(label, 0) + 1
            items.setdefault(label, {})[item] = None
    total = sum(weights.values())
    order = sorted(weights, key=lambda label: (-weights[label], codes.names[label]))
    return tuple(
        PortraitInterest(
            label=codes.names[label],
            weight=weights[label] / total,
            events=events[label],
            items=tuple(items[label]),
        )
        for label in order
    )


def _moment(seconds: float, zone: str) -> datetime:
    return datetime.fromtimestamp(seconds, ZoneInfo(zone))


def _counts(values: list[int], size: int) -> tuple[int, ...]:
    counts: Int64s = np.bincount(np.array(values, dtype=np.int64), minlength=size)
    return tuple(counts.tolist())
