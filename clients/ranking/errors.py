"""Errors of ranking."""

from __future__ import annotations

from shared.errors import ServiceError


class UnusableFactsError(ServiceError):
    """Columns of item facts that do not fit the catalogue or are not numbers where they must be."""

    code = "SRV-200"


class UnknownAttributeError(ServiceError):
    """A filter names an item attribute that this platform's items do not have."""

    code = "SRV-201"
