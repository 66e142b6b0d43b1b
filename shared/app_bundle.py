"""The Flower app bundle (FAB): two lines that import the installed packages.

Flower ships the bundle to every node. Ours holds no code of Isthmus, is the same for every run of a
release, and a node computes its hash for itself: anything else is refused before it is unpacked.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

PROJECT: Final = """\
[project]
name = "isthmus-run"
version = "0.1.0"
description = "Thin bundle: the code that runs is the one installed at each node"
license = "LicenseRef-none"
dependencies = ["flwr==1.41.0"]

[tool.flwr.app]
publisher = "isthmus"
fab-include = ["thin/**/*.py"]

[tool.flwr.app.components]
serverapp = "thin.server:app"
clientapp = "thin.client:app"

[tool.flwr.app.config]
run-dir = ""
nodes-dir = ""
"""
MODULES: Final = {
    "__init__": "",
    "server": "import server.app\n\napp = server.app.app\n",
    "client": "import clients.app\n\napp = clients.app.app\n",
}


def bundle_files() -> dict[str, bytes]:
    """Path in the bundle → content."""
    modules = {f"thin/{name}.py": text.encode() for name, text in MODULES.items()}
    return {"pyproject.toml": PROJECT.encode(), **modules}


@lru_cache(maxsize=1)
def bundle() -> bytes:
    """The bundle as Flower builds it; the same bytes everywhere for one release."""
    from flwr.cli.build import build_fab_from_files

    return build_fab_from_files(bundle_files())[0]


def bundle_hash() -> str:
    """SHA-256 of the bundle, hex."""
    return hashlib.sha256(bundle()).hexdigest()
