"""What travels over HTTP; unknown fields are refused and every string has a longest length."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from clients.ranking.request import WHOLE, Filters
from shared.config import StrictModel
from shared.contract import EVENT_TYPES

SOMETHING: Final = r"[!-~]|[^\x00-\xa0\s]"
"""At least one character that is no blank."""
UserId = Annotated[str, Field(min_length=1, max_length=512, pattern=SOMETHING)]
ItemId = UserId
Moment = Annotated[float, Field(ge=0, le=4e9, allow_inf_nan=False)]
EventName = Literal[EVENT_TYPES]  # type: ignore[valid-type]
Feeling = Literal["shown", "clicked", "liked", "disliked", "dismissed"]
Why = Literal["new_user", "no_model", "all_seen", "nothing_fits"]


class RecommendationRequest(StrictModel):
    """Who wants how many recommendations of which kind."""

    user: UserId
    """The platform's own id of the user; the service goes on with a pseudonym."""
    k: Annotated[int, Field(ge=1, le=200), WHOLE] = 10
    """Length of the list."""
    filters: Annotated[Filters, Field(default_factory=Filters)]
    """What the list may hold."""
    diversity: Annotated[float, Field(ge=0, le=1)] | None = None
    """0: relevance alone, 1: variety alone; the node's default if not given."""
    explain: bool = False
    """Say why, by past item and part of the fusion."""
    text: Literal["blurb", "explanation"] | None = None
    """A text for each item."""
    language: Literal["en", "zh"] | None = None
    """Of sentences and texts; the node's default if not given."""


class EventIn(StrictModel):
    """Something a user just did."""

    user: UserId
    item: ItemId
    event: EventName = "view"
    time: Moment | None = None
    """Seconds since 1970; now if not given."""


class ReactionIn(StrictModel):
    """What a user did with something that was recommended."""

    user: UserId
    item: ItemId
    kind: Feeling
    time: Moment | None = None
    """Seconds since 1970; now if not given."""


class Events(StrictModel):
    """Events, oldest first."""

    events: Annotated[tuple[EventIn, ...], Field(min_length=1, max_length=500)]


class Reactions(StrictModel):
    """Reactions, oldest first."""

    reactions: Annotated[tuple[ReactionIn, ...], Field(min_length=1, max_length=500)]


class Out(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class PastItem(Out):
    """What one past item contributes to a score."""

    item: str
    title: str
    event: str
    value: float
    parts: dict[str, float]


class Reasons(Out):
    """All summands of a score: past items and, by part, what does not come from them."""

    sentence: str
    total: float
    past_items: list[PastItem]
    rest: dict[str, float]


class TextOut(Out):
    """A text and who wrote it."""

    text: str
    source: Literal["model", "template", "mixed"]


class SentenceOut(Out):
    """One sentence of a streamed text."""

    text: str
    source: Literal["model", "template"]


class Place(Out):
    """One recommended item."""

    item: str
    title: str
    score: float
    """Logarithm of a probability up to a constant, adjustments included."""
    parts: dict[str, float]
    """Part of the fusion → its summand; empty in a fallback."""
    adjustments: dict[str, float]
    """What ranking added: freshness, fatigue and the like."""
    relevance_place: int
    """Place that the score alone would have given."""
    reasons: Reasons | None = None
    text: TextOut | None = None


class RecommendationAnswer(Out):
    """A list, best first."""

    items: list[Place]
    fallback: Why | None
    """Why the list is not what the models would say; null if it is."""
    note: str
    """The fallback in words."""
    filtered: dict[str, int]
    """Filter → items of the catalogue that it took."""
    diversity: float
    model: str | None
    """When the model was made."""


class SimilarItem(Out):
    """An item that is like another."""

    item: str
    title: str
    score: float


class SimilarAnswer(Out):
    """Items like one item, the most similar first."""

    items: list[SimilarItem]
    by_text: bool
    """False: the item has no text; popular items of its category."""


class EventsAnswer(Out):
    """What became of events: all are on the disk."""

    kept: int
    known_items: int
    """Those on items of the present catalogue; the others wait until their item is ingested."""


class ReactionsAnswer(Out):
    """What became of reactions: all are on the disk."""

    kept: int


class Interest(Out):
    """One interest of a user."""

    label: str
    weight: float
    events: int
    examples: list[str]


class ProfileAnswer(Out):
    """What the platform's own data say about a user, and nothing else."""

    events: int
    items: int
    interests: list[Interest]
    by_event: dict[str, int]
    by_weekday: list[int] | None
    by_hour: list[int] | None
    novelty: float | None
    platform_novelty: float


class ErasedAnswer(Out):
    """A user was erased and will not be taken in again."""

    erased: bool


class SwapAnswer(Out):
    """The model that is served now."""

    model: str


class Health(Out):
    """Whether the process is alive, and what it serves."""

    status: Literal["ok"]
    model: str | None
    problem: str | None
    """Why no model is served, as an error code."""


class Problem(Out):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str = ""
    request: str = ""
    """Number of the request in the service's log."""
