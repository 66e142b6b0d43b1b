"""Words, topics and event types of a field of use, for generated platforms."""

from __future__ import annotations

from importlib import resources
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from shared.config import StrictModel, parse, read_toml
from shared.contract import EVENT_TYPES

Field = Literal["ecommerce", "social", "education", "finance"]
FIELDS: Final[tuple[Field, ...]] = ("ecommerce", "social", "education", "finance")


class Topic(StrictModel):
    """One topic of taste."""

    uses: list[str]
    """What its items are for."""
    parts: dict[str, list[str]]
    """Nouns of each part of the topic."""


class Vocabulary(StrictModel):
    """Everything that the texts and events of one field are made from."""

    platforms: list[str]
    """Names of platforms."""
    events: list[str]
    """Event types, from interest to commitment."""
    start: list[float]
    """Probability of each event type at the beginning of a session."""
    closing: str
    """Event type after which a session ends."""
    titles: list[str]
    """Templates with {brand}, {adjective}, {noun}, {variant}, {use}."""
    descriptions: list[str]
    """Templates with the same and {part}."""
    adjectives: list[str]
    """Adjectives that fit every noun."""
    variants: list[str]
    """Sizes, parts, editions."""
    transitions: dict[str, list[float]]
    """Probability of the next event type within a session, by event type."""
    topics: dict[str, Topic]
    """Topics, all with the same number of parts."""

    @model_validator(mode="after")
    def _consistent(self) -> Vocabulary:
        if not set(self.events) <= set(EVENT_TYPES) or self.closing not in self.events:
            raise ValueError("events must be event types of the contract, closing one of them")
        rows = [self.start, *(self.transitions.get(event, []) for event in self.events)]
        if any(len(row) != len(self.events) or not np.isclose(sum(row), 1.0) for row in rows):
            raise ValueError("start and transitions must be distributions over events")
        if len({len(topic.parts) for topic in self.topics.values()}) != 1:
            raise ValueError("topics must have the same number of parts")
        return self

    @property
    def parts_per_topic(self) -> int:
        """Parts of each topic."""
        return len(next(iter(self.topics.values())).parts)

    def cells(self) -> list[tuple[str, str]]:
        """Topic and part of every cell; a topic's parts stand together."""
        return [(name, part) for name, topic in self.topics.items() for part in topic.parts]

    def event_steps(self) -> NDArray[np.float64]:
        """(1 + E, E) cumulative probabilities of event types: at the start, then after each."""
        rows = [self.start, *(self.transitions[event] for event in self.events)]
        return np.cumsum(np.array(rows), axis=1)


def vocabulary(field: Field) -> Vocabulary:
    """The vocabulary of a field of use."""
    packaged = resources.files("simulations.datasets") / "vocabularies" / f"{field}.toml"
    with resources.as_file(packaged) as path:
        return parse(Vocabulary, read_toml(path), where=str(path))
