"""A node's long-term Ed25519 identity."""

from __future__ import annotations

from shared.keyfile import IdentityFileError, create_identity, load_identity, public_bytes

__all__ = ["IdentityFileError", "create_identity", "load_identity", "public_bytes"]
