"""Errors of explanations."""

from __future__ import annotations

from shared.errors import ServiceError


class NotOneUserError(ServiceError):
    """An explanation is about one user's history."""

    code = "SRV-210"
