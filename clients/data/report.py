"""What was wrong with a platform's data, row by row, and what remained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationReport:
    """What a platform's data looked like on the way in.

    Attributes
    ----------
    platform
        The platform's name.
    rows_read, rows_kept
        Rows of the event source, and how many of them ended up in histories.
    """

    platform: str
    rows_read: int
    rows_kept: int
