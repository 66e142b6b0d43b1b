"""Simulated behaviour: persons with tastes that they carry from platform to platform.

A person's history is a row of sessions. A session is about one topic; within it the person walks
through the topic's parts, each followed by the next one, and the event types go from interest to
commitment, which ends the session. The next session's topic is drawn from the person's taste or, as
often, from the successors of the last topic. Successors are the same on all platforms: a model of
the order learned on one platform helps on another, and no count of popularity finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.config import StrictModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

END: Final = 1_750_000_000
"""Seconds since 1970 after which nothing happens (June 2025)."""
DAY: Final = 86_400


class Habits(StrictModel):
    """How strongly behaviour follows the planted structure; each is a probability or a share."""

    focus: float = Field(default=0.15, gt=0)
    """Concentration of a person's taste over topics; smaller is narrower."""
    agreement: float = Field(default=0.8, ge=0, le=1)
    """Share of a person's taste that is the same on every platform."""
    leave: float = Field(default=0.2, ge=0, le=1)
    """Probability that a session ends after an event."""
    follow: float = Field(default=0.5, ge=0, le=1)
    """Probability that the next session's topic is a successor of the last one."""
    advance: float = Field(default=0.6, ge=0, le=1)
    """Probability of going on to the topic's next part; else the part stays or is any."""
    stay: float = Field(default=0.25, ge=0, le=1)
    """Probability that the part stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelves:
    """A platform's items by cell (part of a topic).

    Attributes
    ----------
    order
        (N,) item indices, cell by cell.
    weights
        (N,) cumulative popularity along `order`, starting above 0.
    first, last
        (C,) cumulative popularity before and after each cell; empty cells borrow another's.
    """

    order: Ints
    weights: Floats
    first: Floats
    last: Floats

    @classmethod
    def fill(cls, cells: Ints, count: int, generator: np.random.Generator) -> Shelves:
        """Shelves for items in `cells` out of `count`, with Zipf-like popularity in each cell."""
        order = np.lexsort((generator.random(len(cells)), cells))
        sizes = np.bincount(cells, minlength=count)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        rank = np.arange(len(cells)) - np.repeat(starts[:-1], sizes)
        weights = np.concatenate([[0.0], np.cumsum((rank + 1.0) ** -0.7)])
        filled = np.flatnonzero(sizes)
        lender = filled[np.minimum(np.searchsorted(filled, np.arange(count)), len(filled) - 1)]
        return cls(
            order=order,
            weights=weights[1:],
            first=weights[starts[lender]],
            last=weights[starts[lender + 1]],
        )

    def draw(self, cells: Ints, generator: np.random.Generator) -> Ints:
        """One item out of each cell."""
        low, high = self.first[cells], self.last[cells]
        at = low + generator.random(len(cells)) * (high - low)
        found = np.searchsorted(self.weights, at, side="right")
        return self.order[np.minimum(found, len(self.order) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """Simulated events, user by user, oldest first; (E,) each.

    Attributes
    ----------
    users, items
        Indices of user and item; no user meets an item twice.
    events
        Index into the vocabulary's event types.
    times
        Seconds since 1970, strictly increasing within a user.
    """

    users: Ints
    items: Ints
    events: Ints
    times: Ints


def simulate(
    tastes: Floats,
    lengths: Ints,
    shelves: Shelves,
    event_steps: Floats,
    closing: int,
    habits: Habits,
    generator: np.random.Generator,
) -> Sequences:
    """Let every user behave.

    Parameters
    ----------
    tastes
        (U, K) distribution over topics of each user on this platform.
    lengths
        (U,) events wanted; fewer where the user has met all items at hand.
    shelves
        The platform's items.
    event_steps
        (1 + T, T) cumulative probabilities of event types: at a session's start, then after each.
    closing
        Event type that ends a session.
    habits
        Strength of the structure.
    generator
        Source of chance.
    """
    walk = _Walk(tastes, shelves, event_steps, closing, habits, generator)
    # Repetitions are dropped afterwards, so walk further than needed.
    users, items, events, fresh = walk.run(np.ceil(1.5 * lengths).astype(np.int64))
    _, first = np.unique(users * len(shelves.order) + items, return_index=True)
    rows = np.sort(first)
    rows = rows[_position(users[rows]) < lengths[users[rows]]]
    users = users[rows]
    times = _times(users, fresh[rows], len(lengths), generator)
    return Sequences(users=users, items=items[rows], events=events[rows], times=times)


class _Walk:
    """All users' steps at once."""

    def __init__(
        self,
        tastes: Floats,
        shelves: Shelves,
        event_steps: Floats,
        closing: int,
        habits: Habits,
        generator: np.random.Generator,
    ) -> None:
        self._tastes = np.cumsum(tastes, axis=1)
        self._topics = tastes.shape[1]
        self._parts = len(shelves.first) // self._topics
        self._shelves = shelves
        self._event_steps = event_steps
        self._closing = closing
        self._habits = habits
        self._generator = generator

    def run(self, lengths: Ints) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
        """Users, items, event types and session starts, user by user in order."""
        longest_first = np.argsort(-lengths, kind="stable")
        active = np.searchsorted(-lengths[longest_first], -np.arange(lengths.max(initial=0)))
        topic, part, stage = (np.zeros(len(lengths), np.int64) for _ in range(3))
        steps = []
        for step, count in enumerate(active):
            users = longest_first[:count]
            fresh = self._chance(count, self._habits.leave) | (stage[:count] == self._closing)
            fresh |= step == 0
            topic[:count] = np.where(
                fresh, self._next_topic(topic[:count], users, step), topic[:count]
            )
            part[:count] = self._next_part(part[:count], fresh)
            stage[:count] = self._draw(self._event_steps[np.where(fresh, 0, stage[:count] + 1)])
            cells = topic[:count] * self._parts + part[:count]
            items = self._shelves.draw(cells, self._generator)
            steps.append((users, items, stage[:count].copy(), fresh))
        columns = [np.concatenate(column) for column in zip(*steps, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        users, items, events, fresh = (column[order] for column in columns)
        return users, items, events, fresh

    def _next_topic(self, topic: Ints, users: Ints, step: int) -> Ints:
        """A successor of the last topic (the next one or the third), or one by taste."""
        successor = (topic + np.where(self._chance(len(topic), 0.7), 1, 3)) % self._topics
        follows = self._chance(len(topic), self._habits.follow if step else 0.0)
        return np.where(follows, successor, self._draw(self._tastes[users]))

    def _next_part(self, part: Ints, fresh: NDArray[np.bool_]) -> Ints:
        advances = self._habits.advance
        choice = self._generator.random(len(part))
        anywhere = self._generator.integers(self._parts, size=len(part))
        moved = np.where(choice < advances, (part + 1) % self._parts, part)
        wanders = fresh | (choice >= advances + self._habits.stay)
        return np.where(wanders, anywhere, moved)

    def _draw(self, cumulative: Floats) -> Ints:
        """One category for each row of cumulative probabilities."""
        chance = self._generator.random((len(cumulative), 1))
        found: Ints = np.minimum((cumulative < chance).sum(axis=1), cumulative.shape[1] - 1)
        return found

    def _chance(self, count: int, probability: float) -> NDArray[np.bool_]:
        return self._generator.random(count) < probability


def _position(users: Ints) -> Ints:
    """Position of each event within its user's run of events."""
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    sizes = np.diff(np.append(starts, len(users)))
    return np.arange(len(users)) - np.repeat(starts, sizes)


def _times(
    users: Ints, fresh: NDArray[np.bool_], count: int, generator: np.random.Generator
) -> Ints:
    """Sessions days apart, events within them minutes apart; each user ends within 90 days."""
    pauses = np.where(fresh, 1800 + generator.exponential(2 * DAY, len(users)), 5.0)
    pauses += generator.exponential(90.0, len(users))
    elapsed = np.cumsum(pauses.astype(np.int64))
    total = np.zeros(count, np.int64)
    total[users] = elapsed  # the last assignment wins: each user's last event
    ends = END - generator.integers(90 * DAY, size=count)
    return ends[users] - (total[users] - elapsed)
