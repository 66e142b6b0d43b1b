"""A node's identity: made once, readable by its owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clients.identity import IdentityFileError, create_identity, load_identity, public_bytes


def test_an_identity_is_the_same_after_reading_it_back(tmp_path: Path) -> None:
    key = create_identity(tmp_path / "identity.pem")
    assert public_bytes(load_identity(tmp_path / "identity.pem")) == public_bytes(key)


def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    create_identity(tmp_path / "identity.pem")
    assert (tmp_path / "identity.pem").stat().st_mode & 0o077 == 0


def test_an_identity_is_never_overwritten(tmp_path: Path) -> None:
    create_identity(tmp_path / "identity.pem")
    with pytest.raises(IdentityFileError, match="exists"):
        create_identity(tmp_path / "identity.pem")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    create_identity(path)
    path.chmod(0o644)
    with pytest.raises(IdentityFileError, match="chmod 600"):
        load_identity(path)


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    key = X25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    with pytest.raises(IdentityFileError, match="Ed25519"):
        load_identity(path)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----"])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "identity.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(IdentityFileError):
        load_identity(path)
