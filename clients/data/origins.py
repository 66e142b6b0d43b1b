"""From a section of `node.toml` to a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clients.data.config import Origin
from clients.data.sources import Source, open_source
from clients.home import NodeHome
from shared.errors import ConfigError


class NoOriginError(ConfigError):
    """node.toml does not say where events come from."""

    code = "CFG-102"
    default_remedy = 'set path = "events.csv", or url and table, in [data.events]'


def open_origin(home: NodeHome, origin: Origin, *, since: Any = None) -> Source:
    """The source that `origin` describes; paths are relative to the node's home.

    Parameters
    ----------
    since
        Watermark from which a database is read; none: from the beginning.

    Raises
    ------
    DataError, ConfigError
    """
    if origin.url:
        from clients.data.sql_source import SqlSource

        return SqlSource(home, origin, since=since)
    path = home.root / Path(origin.path).expanduser()
    return open_source(path, encoding=origin.encoding, delimiter=origin.delimiter)
