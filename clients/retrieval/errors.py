"""Errors of retrieval."""

from __future__ import annotations

from shared.errors import ServiceError


class UnusableIndexError(ServiceError):
    """An index file that cannot be read, or that is not one of this catalogue."""

    code = "SRV-125"
    default_remedy = "train again: isthmus-node train"
