"""The chained file notices every alteration and survives torn writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.privacy.errors import LedgerCorruptError
from shared.privacy.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    journal = Journal(path)
    for number in range(4):
        with journal.locked():
            journal.append({"kind": "test", "number": number})
    return path


def _read(path: Path) -> list[int]:
    with Journal(path).locked() as entries:
        return [entry["number"] for entry in entries]


def test_lines_are_read_back_in_order(path: Path) -> None:
    assert _read(path) == [0, 1, 2, 3]


def test_another_holder_sees_what_was_appended(path: Path) -> None:
    first, second = Journal(path), Journal(path)
    with first.locked():
        first.append({"kind": "test", "number": 4})
    with second.locked() as entries:
        assert len(entries) == 5
        second.append({"kind": "test", "number": 5})
    assert _read(path) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("tail", [b'{"kind": "te', b"\0\0\0\0", b"{"])
def test_a_torn_last_line_is_dropped(path: Path, tail: bytes) -> None:
    path.write_bytes(path.read_bytes() + tail)
    assert _read(path) == [0, 1, 2, 3]
    assert not path.read_bytes().endswith(tail)


def test_a_crash_before_the_head_was_written_loses_nothing(path: Path) -> None:
    head = path.with_name(path.name + ".head")
    before = head.read_bytes()
    journal = Journal(path)
    with journal.locked():
        journal.append({"kind": "test", "number": 4})
    head.write_bytes(before)
    assert _read(path) == [0, 1, 2, 3, 4]


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def _alter_number(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"number": 1', b'"number": 7'))


def _rehash_one_line(path: Path) -> None:
    """A forger who fixes the altered line's own hash but not the ones after it."""
    from shared.privacy.journal import entry_hash

    lines = _lines(path)
    entry = json.loads(lines[1])
    entry["number"] = 7
    entry["hash"] = entry_hash(entry)
    lines[1] = json.dumps(entry, sort_keys=True).encode() + b"\n"
    path.write_bytes(b"".join(lines))


def _cut_last(path: Path) -> None:
    path.write_bytes(b"".join(_lines(path)[:-1]))


def _cut_middle(path: Path) -> None:
    lines = _lines(path)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))


def _swap(path: Path) -> None:
    lines = _lines(path)
    path.write_bytes(b"".join([lines[0], lines[2], lines[1], lines[3]]))


def _repeat_last(path: Path) -> None:
    path.write_bytes(path.read_bytes() + _lines(path)[-1])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _delete(path: Path) -> None:
    path.unlink()


def _garbage(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"not json\n")


def _not_an_object(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"[1]\n")


def _delete_head(path: Path) -> None:
    path.with_name(path.name + ".head").unlink()


def _spoil_head(path: Path) -> None:
    path.with_name(path.name + ".head").write_bytes(b"{}")


ATTACKS = (
    _alter_number,
    _rehash_one_line,
    _cut_last,
    _cut_middle,
    _swap,
    _repeat_last,
    _empty,
    _delete,
    _garbage,
    _not_an_object,
    _delete_head,
    _spoil_head,
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda f: f.__name__.strip("_"))
def test_every_alteration_is_noticed(path: Path, attack: object) -> None:
    assert callable(attack)
    attack(path)
    with pytest.raises(LedgerCorruptError):
        _read(path)


def test_shrinking_while_open_is_noticed(path: Path) -> None:
    journal = Journal(path)
    with journal.locked():
        pass
    _cut_last(path)
    _delete_head(path)
    with pytest.raises(LedgerCorruptError), journal.locked():
        pass


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0
