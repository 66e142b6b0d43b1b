"""Locks reach the disk before they count, and refuse second thoughts."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from shared.secagg import FileLockStore, MemoryLockStore, Refusal
from shared.secagg.hashing import digest
from shared.secagg.locks import RoundLock, start

KEY = b"k" * 20
LOCK = RoundLock(attempt=3, advert=b"a" * 32)


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    return MemoryLockStore() if request.param == "memory" else FileLockStore(tmp_path / "locks")


def test_a_stored_lock_comes_back(store):
    assert store.read(KEY) is None
    store.swap(KEY, None, b"one")
    store.swap(KEY, b"one", b"two")
    assert store.read(KEY) == b"two"


def test_a_lock_changed_by_someone_else_is_refused(store):
    store.swap(KEY, None, b"one")
    with pytest.raises(Refusal) as refusal:
        store.swap(KEY, None, b"two")
    assert refusal.value.code == "SA-029"
    assert store.read(KEY) == b"one"


def test_file_and_directory_are_synced_before_swap_returns(tmp_path, monkeypatch):
    order = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("rename"), rename(a, b)))
    FileLockStore(tmp_path).swap(KEY, None, b"one")
    assert order == ["fsync", "rename", "fsync"]


def test_another_process_sees_the_lock(tmp_path):
    FileLockStore(tmp_path).swap(KEY, None, b"one")
    assert FileLockStore(tmp_path).read(KEY) == b"one"
    assert (tmp_path / f"{KEY.hex()}.lock").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_a_named_refusal(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    store = FileLockStore(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refusal) as refusal:
        store.swap(KEY, None, b"one")
    assert refusal.value.code == "SA-029"
    assert store.read(KEY) is None


def test_an_unusable_directory_is_a_named_refusal(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Refusal) as refusal:
        FileLockStore(tmp_path / "file")
    assert refusal.value.code == "SA-029"
    (tmp_path / "locks" / f"{KEY.hex()}.lock").mkdir(parents=True)
    with pytest.raises(Refusal) as refusal:
        FileLockStore(tmp_path / "locks").read(KEY)
    assert refusal.value.code == "SA-029"


def test_a_short_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda handle, content: len(content) - 1)
    store = FileLockStore(tmp_path)
    with pytest.raises(Refusal) as refusal:
        store.swap(KEY, None, b"one")
    assert refusal.value.code == "SA-029"
    assert store.read(KEY) is None


def test_a_lock_survives_its_encoding():
    full = replace(LOCK, roster=b"r" * 32, upload=b"u" * 32, survivors=b"s" * 32, revealed=True)
    assert RoundLock.parse(full.encode()) == full
    assert RoundLock.parse(LOCK.encode()) == LOCK


@pytest.mark.parametrize("place", [0, 5, 40, -1])
def test_a_damaged_lock_is_refused(place):
    raw = bytearray(LOCK.encode())
    raw[place] ^= 1
    for damaged in (bytes(raw), bytes(raw[:-1]), b""):
        with pytest.raises(Refusal) as refusal:
            RoundLock.parse(damaged)
        assert refusal.value.code == "SA-029"


def test_a_lock_of_another_version_is_refused():
    body = b"ISL0" + LOCK.encode()[4:-32]
    with pytest.raises(Refusal) as refusal:
        RoundLock.parse(body + digest("lock", body))
    assert refusal.value.code == "SA-029"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (RoundLock.with_roster, "SA-015"),
        (RoundLock.with_upload, "SA-033"),
        (RoundLock.with_survivors, "SA-018"),
    ],
)
def test_each_commitment_is_made_once(change, code):
    committed = change(LOCK, b"x" * 32)
    assert change(committed, b"x" * 32) == committed
    with pytest.raises(Refusal) as refusal:
        change(committed, b"y" * 32)
    assert refusal.value.code == code


def test_starting_an_attempt():
    assert start(None, 3, LOCK.advert) == LOCK
    used = LOCK.with_roster(b"r" * 32)
    assert start(used, 3, LOCK.advert) == used, "the same advert again is a repetition"
    assert start(used, 4, b"b" * 32) == RoundLock(attempt=4, advert=b"b" * 32)
    for attempt, advert in ((3, b"b" * 32), (2, LOCK.advert)):
        with pytest.raises(Refusal) as refusal:
            start(used, attempt, advert)
        assert refusal.value.code == "SA-014"
    with pytest.raises(Refusal) as refusal:
        start(used.with_reveal(), 4, b"b" * 32)
    assert refusal.value.code == "SA-014"
