"""The section ``[ranking]`` of node.toml: defaults of every list that the node returns."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.config import StrictModel


class FreshnessConfig(StrictModel):
    """New items are shown more."""

    weight: float = Field(default=0.0, ge=0, le=20)
    """Added to the score of an item that is brand new; 0: age does not count."""
    attribute: str = ""
    """Item column that says when an item came, in seconds since 1970 or as ISO 8601 (UTC unless it
    names a zone); empty: no age is known and none counts."""
    half_life_days: float = Field(default=14.0, gt=0)
    """Age at which half of the weight is left."""


class FeedbackConfig(StrictModel):
    """What users' reactions do to the next list, before any training."""

    fatigue: float = Field(default=0.3, ge=0, le=20)
    """Taken from the score for each time an item was shown and not clicked."""
    fatigue_half_life_hours: float = Field(default=72.0, gt=0)
    """After this time an exposure counts half."""
    disliked: Literal["remove", "demote"] = "remove"
    """What happens to an item that the user dislikes."""
    dismissed: Literal["remove", "demote"] = "remove"
    """What happens to an item that the user dismissed ("not now")."""
    dismissed_days: float = Field(default=30.0, gt=0)
    """After this time a dismissal is forgotten; a dislike never is."""
    demotion: float = Field(default=4.0, ge=0, le=100)
    """Taken from the score of an item that is demoted."""
    neighbours: float = Field(default=1.0, ge=0, le=20)
    """Taken from (disliked, dismissed) or added to (liked) the score of the most similar item;
    less similar ones get less."""
    neighbour_similarity: float = Field(default=0.5, ge=0, lt=1)
    """Cosine from which an item is a neighbour."""
    neighbour_half_life_days: float = Field(default=30.0, gt=0)
    """After this time the effect on neighbours is half."""


class SuitabilityConfig(StrictModel):
    """Items that only users of a class may be shown: risk classes, age ratings, licence levels."""

    attribute: str = ""
    """Item column that holds the class, a number; empty: no such rule. An item without a class
    is then never shown."""
    default_class: int = 0
    """Class of a user for whom the request names none."""


class PrerequisiteConfig(StrictModel):
    """Items that need others first, such as courses."""

    attribute: str = ""
    """Item column that lists the item ids required first, separated by ``|``; empty: no rule."""
    completed_by: tuple[str, ...] = ("complete", "purchase")
    """Event types after which an item counts as completed."""


class RankingConfig(StrictModel):
    """How lists are made; a request may choose its own diversity and filters."""

    diversity: float = Field(default=0.0, ge=0, le=1)
    """0: relevance alone; 1: variety alone."""
    method: Literal["mmr", "dpp"] = "dpp"
    """Greedy determinantal point process, or maximal marginal relevance."""
    pool: int = Field(default=200, ge=10, le=5000)
    """Most relevant candidates among which lists are put together (at least 4 for each place)."""
    category_cap: int = Field(default=0, ge=0)
    """Most items of one category in a list; 0: no limit."""
    category_level: int = Field(default=-1, ge=-8, le=8)
    """Which part of ``A | B | C`` is the category: 0 the first, -1 the last."""
    exclude_seen: bool = True
    """Leave out items of the user's own history."""
    stock_attribute: str = ""
    """Item column with the number in stock; items with 0 are left out. Empty: no such rule."""
    freshness: FreshnessConfig = FreshnessConfig()
    """New items."""
    feedback: FeedbackConfig = FeedbackConfig()
    """Reactions."""
    suitability: SuitabilityConfig = SuitabilityConfig()
    """Classes."""
    prerequisites: PrerequisiteConfig = PrerequisiteConfig()
    """Items that come first."""
