"""The node's own content model lies in the item space of its LSTM, whatever shape it has."""

from __future__ import annotations

import pytest

from clients.training.config import TrainingConfig
from shared.config import parse
from shared.errors import UnknownKeyError
from shared.models.config import BehaviourConfig, ContentConfig, ContentShape


def test_the_item_space_is_the_lstms() -> None:
    config = TrainingConfig(
        model=BehaviourConfig(item_dim=64), content_model=ContentShape(latent_dim=8)
    )
    assert config.content_shape == ContentConfig(item_dim=64, latent_dim=8)
    planned = config.model_copy(update={"content_model": ContentConfig(item_dim=64, hidden_dim=16)})
    assert planned.content_shape == ContentConfig(item_dim=64, hidden_dim=16)


def test_an_item_space_of_its_own_is_refused() -> None:
    with pytest.raises(UnknownKeyError, match="item_dim"):
        parse(TrainingConfig, {"content_model": {"item_dim": 512}}, where="node.toml")


def test_both_kinds_of_fitting_explain_what_they_share() -> None:
    """A default of its own must not cost a setting its explanation in node.toml."""
    for section in (TrainingConfig().personalisation, TrainingConfig().content):
        assert all(field.description for field in type(section).model_fields.values())
