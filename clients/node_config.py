"""`node.toml`: everything that a platform chooses for its node.

Environment variables win over the file: ``ISTHMUS_NODE__DATA__RETENTION_DAYS=30`` sets
``retention_days`` in ``[data]``; a value is read as TOML, or else as text. No section holds a
secret: passwords and keys stand in files or variables that the sections name.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from clients.data.config import DataConfig
from clients.federation_config import FederationConfig
from clients.home import NodeHome, NoNodeError
from clients.ranking.config import RankingConfig
from clients.serving.config import ServingConfig
from clients.text.config import TextConfig
from clients.training.config import TrainingConfig
from shared.config import StrictModel, parse, read_toml
from shared.errors import ConfigError

PREFIX: Final = "ISTHMUS_NODE__"


class OverrideError(ConfigError):
    """An ISTHMUS_NODE__ variable that leads through a value instead of a section."""

    code = "CFG-101"


class EncoderConfig(StrictModel):
    """The text encoder; a federation's plan fixes it for all partners."""

    name: str = "use-multilingual"
    """Which one."""
    fingerprint: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """What its weights and preprocessing must hash to; empty accepts the installed ones."""


class NodeConfig(StrictModel):
    """The whole file."""

    name: str = Field(default="node", min_length=1, max_length=100)
    """The platform's name, in reports and receipts."""
    data: DataConfig = DataConfig()
    """Own events and items."""
    encoder: EncoderConfig = EncoderConfig()
    """Texts to vectors."""
    ranking: RankingConfig = RankingConfig()
    """How lists are made."""
    serving: ServingConfig = ServingConfig()
    """The service."""
    training: TrainingConfig = TrainingConfig()
    """The node's own training."""
    text: TextConfig = TextConfig()
    """Who writes the sentences."""
    federation: FederationConfig = FederationConfig()
    """Taking part in a federation."""


def read_node_config(home: NodeHome, environment: Mapping[str, str] = os.environ) -> NodeConfig:
    """Read `node.toml` of a node, with what the environment overrides.

    Raises
    ------
    NoNodeError
        There is no such file.
    ConfigError
        It cannot be used; the message names the key.
    """
    if not home.config.exists():
        raise NoNodeError("no node.toml", where=str(home.root))
    return parse(
        NodeConfig, overridden(read_toml(home.config), environment), where=str(home.config)
    )


def overridden(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """`values` with the ``ISTHMUS_NODE__`` variables of `environment` on top.

    Raises
    ------
    OverrideError
    """
    for variable in sorted(name for name in environment if name.startswith(PREFIX)):
        *sections, key = variable.removeprefix(PREFIX).lower().split("__")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise OverrideError(f"{section!r} is no section", where=variable)
        place[key] = _value(environment[variable])
    return values


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
