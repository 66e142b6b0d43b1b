"""From a node's directory to its service: what `serve`, `recommend` and `batch` begin with."""

from __future__ import annotations

from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.identity import load_identity
from clients.node_config import NodeConfig
from clients.serving.service import Service
from clients.text.writer import make_writer


def open_service(home: NodeHome, config: NodeConfig) -> Service:
    """The node's service, its data read and its model loaded if there is one that can be served.

    Raises
    ------
    NoSnapshotError
        Nothing was ingested yet.
    IdentityFileError
    TextModelMissingError, EndpointNotAllowedError
        The configured text model cannot be used.
    """
    signer = load_identity(home.identity).public_key()
    writer = make_writer(config.text)
    store = NodeStore(home)
    return Service(home, store, signer, config.serving, config.ranking, writer)
