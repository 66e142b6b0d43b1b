"""`isthmus-node start`: take part in the federation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def start(
    home: Annotated[Path, typer.Option(help="Directory of the node.")] = Path("."),
) -> None:
    """Connect to the coordinator and take part in its runs, within this node's own policy."""
    from clients.federation_config import FederationConfig
    from clients.home import NodeHome
    from clients.node_config import read_node_config
    from clients.node_service import NodeService
    from clients.preparation import refresh_training
    from shared.logs import set_up_logs

    set_up_logs()
    node = NodeHome.existing(home)
    config = read_node_config(node).federation if node.config.exists() else FederationConfig()
    service = NodeService(node, config)
    refresh_training(node)
    service.run()
