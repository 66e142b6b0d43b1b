"""Errors of reporting."""

from __future__ import annotations

from shared.errors import LabError


class UnreadableValidationError(LabError):
    """A ``validation.json`` that does not map platforms to fragments of HTML."""

    code = "LAB-030"
    default_remedy = "run the recipe again, or delete the file to report without it"
