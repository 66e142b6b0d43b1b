"""Errors of the local recommenders."""

from __future__ import annotations

from shared.errors import ModelError


class NotFittedError(ModelError):
    """A recommender was asked for scores before it was fitted."""

    code = "MODEL-040"
    default_remedy = "call fit(histories, catalogue) first"


class NothingToFuseError(ModelError):
    """A fusion without parts, weights or validation users."""

    code = "MODEL-041"
