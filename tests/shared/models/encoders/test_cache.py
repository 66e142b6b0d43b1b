from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.models.encoders import EncodingCache, cache
from shared.models.encoders.errors import DamagedCacheError


class CountingEncoder:
    """Encodes a text as its length and remembers what it was asked."""

    name, version, dim = "counting", "1", 2

    def __init__(self, fingerprint: str = "a" * 64) -> None:
        self.fingerprint = fingerprint
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([[len(text), 1] for text in texts], dtype=np.float32).reshape(-1, 2)


def test_a_text_is_encoded_once_over_all_runs(tmp_path: Path) -> None:
    first, second = CountingEncoder(), CountingEncoder()
    EncodingCache(first, tmp_path).encode(["a", "bb", "a"])
    vectors = EncodingCache(second, tmp_path).encode(["bb", "ccc", "a"])
    assert first.asked == ["a", "bb"]
    assert second.asked == ["ccc"]
    assert vectors.tolist() == [[2, 1], [3, 1], [1, 1]]


def test_another_fingerprint_shares_nothing(tmp_path: Path) -> None:
    EncodingCache(CountingEncoder(), tmp_path).encode(["a"])
    other = CountingEncoder("b" * 64)
    EncodingCache(other, tmp_path).encode(["a"])
    assert other.asked == ["a"]


def test_an_interruption_keeps_finished_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SHARD_TEXTS", 2)

    def stop_at_two(done: int, total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EncodingCache(CountingEncoder(), tmp_path).encode(list("abcd"), stop_at_two)
    again = CountingEncoder()
    EncodingCache(again, tmp_path).encode(list("abcd"))
    assert again.asked == ["c", "d"]


def test_progress_reaches_the_number_of_different_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SHARD_TEXTS", 2)
    seen: list[tuple[int, int]] = []
    EncodingCache(CountingEncoder(), tmp_path).encode(
        list("aabcd"), lambda done, total: seen.append((done, total))
    )
    assert seen == [(2, 4), (4, 4)]


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64])
def test_a_damaged_shard_is_named(tmp_path: Path, content: bytes) -> None:
    EncodingCache(CountingEncoder(), tmp_path).encode(["a"])
    (shard,) = tmp_path.rglob("*.safetensors")
    shard.write_bytes(content)
    with pytest.raises(DamagedCacheError, match="delete"):
        EncodingCache(CountingEncoder(), tmp_path)


def test_a_shard_of_another_width_is_refused(tmp_path: Path) -> None:
    EncodingCache(CountingEncoder(), tmp_path).encode(["a"])
    wider = CountingEncoder()
    wider.dim = 3
    with pytest.raises(DamagedCacheError, match="do not fit"):
        EncodingCache(wider, tmp_path)


def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    assert EncodingCache(CountingEncoder(), tmp_path).encode([]).shape == (0, 2)
