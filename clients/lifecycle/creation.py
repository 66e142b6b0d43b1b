"""A new node: directories, keys, `node.toml`. What exists is never overwritten."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from clients.data.pseudonyms import PseudonymKey
from clients.home import NodeHome
from clients.lifecycle.template import commented_toml
from clients.node_config import NodeConfig
from shared.config import parse
from shared.errors import ConfigError
from shared.files import write_atomically
from shared.keyfile import create_identity


class NodeExistsError(ConfigError):
    """The directory is a node already."""

    code = "CFG-104"
    default_remedy = "edit its node.toml, or give another --home"


def create_node(home: NodeHome, chosen: Mapping[str, Any]) -> NodeConfig:
    """Make a node in `home`.

    Keys that exist stay (a node may have joined a federation before); `node.toml` is written last,
    so an interrupted creation can be repeated.

    Parameters
    ----------
    chosen
        Values of `node.toml` that differ from the defaults.

    Raises
    ------
    NodeExistsError
    ConfigError
        A chosen value is not allowed; nothing was written.
    """
    if home.config.exists():
        raise NodeExistsError("node.toml exists", where=str(home.root))
    config = parse(NodeConfig, dict(chosen), where="options of init")
    for folder in (home.root, home.serving_keys, home.store, home.reports, home.erasures):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
    if not home.identity.exists():
        create_identity(home.identity)
    if not home.pseudonym_key.exists():
        PseudonymKey.generate().save(home.pseudonym_key)
    write_atomically(home.config, commented_toml(chosen).encode(), private=True)
    return config
