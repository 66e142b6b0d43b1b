"""Errors of the attacks.

::

    LabError
    └── TooFewToAttackError   LAB-050
"""

from __future__ import annotations

from shared.errors import LabError


class TooFewToAttackError(LabError):
    """Too few platforms or users for an attack and what it is compared with."""

    code = "LAB-050"
    default_remedy = "choose a recipe with three platforms or more, or smaller attack.* settings"
