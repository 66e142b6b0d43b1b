"""What training at the node refuses."""

from __future__ import annotations

from shared.errors import ModelError, PrivacyError


class PrivateBiasError(PrivacyError):
    """Item biases counted on private data would enter a private step."""

    code = "PRIV-050"
    default_remedy = "train on an ItemMatrix without bias; add biases when personalising"


class UnknownItemError(ModelError):
    """A history names an item that the catalogue does not have."""

    code = "MODEL-020"


class NothingToLearnError(ModelError):
    """No user has the two events that training needs."""

    code = "MODEL-021"
