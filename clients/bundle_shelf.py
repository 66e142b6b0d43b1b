"""The bundles of a node: which one is served, which came before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.bundle import Bundle, MissingBundleError, bundle_name, save_bundle
from shared.files import write_atomically

KEPT: Final = 3
"""Bundles kept, the current one included, so that there is something to go back to."""


class BundleShelf:
    """Bundles as subdirectories of one directory; the file ``current`` names the one to serve.

    Parameters
    ----------
    directory
        Usually `NodeHome.models`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def current(self) -> Path:
        """Directory of the bundle to serve.

        Raises
        ------
        MissingBundleError
            None was published.
        """
        try:
            name = (self._directory / "current").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise MissingBundleError(
                "no model was published", where=str(self._directory)
            ) from error
        return self._directory / Path(name).name

    def names(self) -> list[str]:
        """All bundles, oldest first."""
        found = self._directory.glob("[0-9]*/manifest.json")
        return sorted(path.parent.name for path in found)

    def publish(self, bundle: Bundle, key: Ed25519PrivateKey) -> Path:
        """Store a bundle, make it the current one and discard the oldest beyond `KEPT`."""
        path = self._directory / bundle_name(bundle.manifest)
        if not path.exists():
            save_bundle(path, bundle, key)
        self.choose(path.name)
        for name in self.names()[:-KEPT]:
            if name != path.name:
                shutil.rmtree(self._directory / name)
        return path

    def choose(self, name: str) -> None:
        """Serve another bundle from the next load on.

        Raises
        ------
        MissingBundleError
        """
        if name not in self.names():
            there = ", ".join(self.names()) or "none"
            raise MissingBundleError(f"no bundle {name!r}; there: {there}")
        write_atomically(self._directory / "current", name.encode() + b"\n", private=True)
