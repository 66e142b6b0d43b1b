"""Errors of offline evaluation."""

from __future__ import annotations

from shared.errors import LabError


class NoTimesError(LabError):
    """A split by time of events whose times are not known."""

    code = "LAB-101"
    default_remedy = "use leave-one-out or folds over users, or data with timestamps"
