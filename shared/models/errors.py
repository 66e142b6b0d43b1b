"""What can go wrong with item vectors, networks and parameter vectors."""

from __future__ import annotations

from shared.errors import ModelError


class ItemVectorError(ModelError):
    """Item vectors of the wrong shape or with values that are not finite."""

    code = "MODEL-010"


class SchemaError(ModelError):
    """Parameters whose names, shapes or types do not fit the schema."""

    code = "MODEL-011"


class ParameterVectorError(ModelError):
    """A parameter vector of the wrong length or type, or with values that are not finite."""

    code = "MODEL-012"


class EmptyHistoryError(ModelError):
    """A user without events where at least one is needed."""

    code = "MODEL-013"
