"""What can go wrong between an item's text and its vector."""

from __future__ import annotations

from shared.errors import ModelError


class UnknownEncoderError(ModelError):
    """No text encoder of this name is registered."""

    code = "MODEL-001"


class MissingEncoderError(ModelError):
    """The package that holds an encoder's weights is not installed, or in another version."""

    code = "MODEL-002"


class EncoderHashError(ModelError):
    """An encoder's weights are not the pinned ones: its vectors would not be comparable."""

    code = "MODEL-003"
    default_remedy = "reinstall the package; never go on with other weights than the partners have"


class DamagedCacheError(ModelError):
    """A file of cached item vectors cannot be read or does not fit its encoder."""

    code = "MODEL-004"
