"""Kept updates: private, the newest two, readable or refused by name."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from clients.kept_updates import KeptUpdateError, KeptUpdates

UPDATE = {"update": np.arange(3, dtype=np.float32)}


def test_the_newest_two_rounds_stay_even_across_a_gap(tmp_path: Path) -> None:
    kept = KeptUpdates(tmp_path)
    assert kept.newest() is None
    for number in (1, 2, 7):
        kept.keep(number, UPDATE)
    assert [kept.has(number) for number in (1, 2, 7)] == [False, True, True]
    assert kept.newest() == 7
    np.testing.assert_array_equal(kept.read(7)["update"], UPDATE["update"])


def test_kept_updates_are_for_the_owner_alone(tmp_path: Path) -> None:
    KeptUpdates(tmp_path).keep(1, UPDATE)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "update-00001.safetensors").write_bytes(b"torn")
    with pytest.raises(KeptUpdateError):
        KeptUpdates(tmp_path).read(1)
