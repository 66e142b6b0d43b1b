"""API keys: shown once, kept as hashes, seen at once when they change."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from clients.serving.errors import KeyFileError, UnknownKeyNameError
from clients.serving.keys import ApiKeys
from clients.serving.limits import RateLimit


def test_a_key_opens_until_it_is_revoked_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ours, others = ApiKeys(path), ApiKeys(path)
    secret = ours.add("shop", "serve")
    found = others.of(secret)
    assert found is not None
    assert (found.name, found.role) == ("shop", "serve")
    ours.revoke("shop")
    assert others.of(secret) is None


def test_only_hashes_are_kept_and_nobody_else_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = ApiKeys(path).add("shop", "admin")
    assert secret.split("_", 2)[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(KeyFileError):
        ApiKeys(path).all()


@pytest.mark.parametrize("wrong", ["", "x", "isthmus_shop_", "isthmus_other_abc", "\udcff_a_b"])
def test_what_is_no_key_opens_nothing(tmp_path: Path, wrong: str) -> None:
    keys = ApiKeys(tmp_path / "keys.json")
    keys.add("shop", "serve")
    assert keys.of(wrong) is None


def test_names_are_plain_and_unique(tmp_path: Path) -> None:
    keys = ApiKeys(tmp_path / "keys.json")
    keys.add("shop", "serve")
    for name in ("shop", "", "A", "a b", "a_b", "x" * 41):
        with pytest.raises(UnknownKeyNameError):
            keys.add(name, "serve")
    with pytest.raises(UnknownKeyNameError):
        keys.revoke("nobody")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(KeyFileError):
        ApiKeys(path).all()


def test_a_bucket_fills_again() -> None:
    now = 0.0
    limit = RateLimit(2.0, 3, clock=lambda: now)
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("b") == 0
    now = 0.5
    assert limit.wait("a") == 0
