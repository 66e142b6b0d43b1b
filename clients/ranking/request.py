"""What a request and its user bring to ranking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from clients.data.dataset import Float64s, Int64s
from shared.config import StrictModel

FEEDBACK_KINDS = ("shown", "clicked", "liked", "disliked", "dismissed")
"""Reactions that a platform reports, by index."""


def _whole(value: object) -> object:
    """5.0 is an integer in JSON Schema (and what some languages write for 5)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole)
"""Last in an annotation of an integer: it may be spelt in any way that JSON has."""
Text = Annotated[str, Field(max_length=200)]
ItemIds = Annotated[tuple[Text, ...], Field(max_length=1000)]
Labels = Annotated[tuple[Text, ...], Field(max_length=100)]


class Filters(StrictModel):
    """What a list may hold; everything given must be fulfilled."""

    only: ItemIds | None = None
    """Item ids of which the list is made; None: all."""
    without: ItemIds = ()
    """Item ids that must not be in it."""
    categories: Labels = ()
    """At least one of these, anywhere in the item's categories."""
    without_categories: Labels = ()
    """None of these."""
    price_from: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Lowest price; items without one are left out."""
    price_to: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Highest price; items without one are left out."""
    attributes: dict[Text, Labels] = Field(default_factory=dict, max_length=20)
    """Item column → values, one of which the item must have."""
    suitability_class: Annotated[int, Field(ge=-1000, le=1000), WHOLE] | None = None
    """The user's class; None: the node's default, which should be the lowest."""
    include_seen: bool = False
    """Also items of the user's own history, whatever the node's default."""


def _no_items() -> Int64s:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One user's reactions, in any order.

    Attributes
    ----------
    items, kinds
        (F,) int64 item index and index into `FEEDBACK_KINDS`.
    times
        (F,) float64 seconds since 1970.
    """

    items: Int64s = field(default_factory=_no_items)
    kinds: Int64s = field(default_factory=_no_items)
    times: Float64s = field(default_factory=lambda: np.empty(0))

    def of(self, *kinds: str) -> NDArray[np.bool_]:
        """(F,) whether a reaction is of one of `kinds`."""
        if not len(self.kinds):  # as for most users
            return np.zeros(0, dtype=np.bool_)
        return np.isin(self.kinds, [FEEDBACK_KINDS.index(kind) for kind in kinds])


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The user, now.

    Attributes
    ----------
    seen
        Item indices of the user's history.
    completed
        Those completed, for prerequisites.
    feedback
        Reactions to earlier lists.
    now
        Seconds since 1970.
    filters
        Of the request.
    diversity
        The request's dial, 0 to 1; None: the node's default.
    """

    now: float
    seen: Int64s = field(default_factory=_no_items)
    completed: Int64s = field(default_factory=_no_items)
    feedback: Feedback = field(default_factory=Feedback)
    filters: Filters = field(default_factory=Filters)
    diversity: float | None = None
