"""Keyed pseudonyms."""

import copy
import hashlib
import hmac
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.data.errors import PseudonymKeyError
from clients.data.pseudonyms import PseudonymKey

SECRET = bytes(range(32))


@given(st.binary(min_size=32, max_size=32), st.text())
def test_a_pseudonym_is_the_standard_hmac_cut_to_128_bits(secret: bytes, user: str) -> None:
    raw = user.encode("utf-8", "surrogatepass")
    expected = hmac.new(secret, b"isthmus/user/1\0" + raw, hashlib.sha256).digest()[:16]
    assert PseudonymKey(secret).digest(raw) == expected


@given(st.lists(st.binary()))
def test_many_at_once_equal_one_by_one(users: list[bytes]) -> None:
    key = PseudonymKey(SECRET)
    assert key.digests(users) == [key.digest(user) for user in users]


def test_two_keys_give_unrelated_pseudonyms() -> None:
    assert PseudonymKey.generate().pseudonym("u1") != PseudonymKey.generate().pseudonym("u1")


def test_a_key_neither_prints_nor_pickles_nor_copies_itself() -> None:
    key = PseudonymKey(SECRET)
    for text in (repr(key), str(key), f"{key}"):
        assert SECRET.hex() not in text
        assert repr(SECRET) not in text
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="pickled or copied"):
            leak(key)


def test_a_key_id_tells_keys_apart_and_is_no_pseudonym() -> None:
    key = PseudonymKey(SECRET)
    assert key.key_id == PseudonymKey(SECRET).key_id
    assert key.key_id != PseudonymKey(bytes(32)).key_id
    assert not key.pseudonym("").startswith(key.key_id)


def test_a_saved_key_is_readable_by_its_owner_only_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    key = PseudonymKey.generate()
    key.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert PseudonymKey.load(path).pseudonym("u1") == key.pseudonym("u1")


def test_a_key_in_use_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    PseudonymKey(SECRET).save(path)
    with pytest.raises(PseudonymKeyError, match="cannot write"):
        PseudonymKey.generate().save(path)
    assert PseudonymKey.load(path).key_id == PseudonymKey(SECRET).key_id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pseudonym.key"
    PseudonymKey(SECRET).save(path)
    path.chmod(mode)
    with pytest.raises(PseudonymKeyError, match="others can read it") as caught:
        PseudonymKey.load(path)
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"xyz", b"00ff", b"\xff" * 32, b"0" * 63, b"0" * 66])
def test_a_damaged_key_file_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pseudonym.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PseudonymKeyError) as caught:
        PseudonymKey.load(path)
    assert not content or content.decode("latin-1") not in str(caught.value)


def test_a_missing_key_file_has_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(PseudonymKeyError, match="cannot read the key"):
        PseudonymKey.load(tmp_path / "absent")


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(PseudonymKeyError, match="this one 31"):
        PseudonymKey(bytes(31))
