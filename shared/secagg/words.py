"""The few 64-bit words and tags that travel beside a vector, and their sums.

Layout: the W words of the policy, its vector tags (8 bytes each, modulo 2^64), one word tag (16
bytes, modulo 2^128).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.secagg.errors import WordRangeError
from shared.secagg.policy import SessionPolicy
from shared.secagg.suites import Suite, expand

_WORD: Final = 1 << 64
_WIDE: Final = 1 << 128


@dataclass(frozen=True, slots=True)
class WordBlock:
    """Integers modulo 2^64 (`words`, `tags`) and modulo 2^128 (`word_tag`)."""

    words: tuple[int, ...]
    tags: tuple[int, ...]
    word_tag: int

    def encode(self) -> bytes:
        """Bytes of the block."""
        narrow = b"".join(word.to_bytes(8, "little") for word in self.words + self.tags)
        return narrow + self.word_tag.to_bytes(16, "little")

    @classmethod
    def parse(cls, raw: bytes, policy: SessionPolicy) -> WordBlock:
        """Read a block of `records.words_bytes`."""
        count = len(policy.word_limits)
        ends = range(0, len(raw) - 16, 8)
        narrow = [int.from_bytes(raw[at : at + 8], "little") for at in ends]
        wide = int.from_bytes(raw[-16:], "little")
        return cls(tuple(narrow[:count]), tuple(narrow[count:]), wide)

    def plus(self, other: WordBlock, sign: int = 1) -> WordBlock:
        """Sum (or difference, `sign` = -1) of two blocks, each part in its own ring."""
        return WordBlock(
            _added(self.words, other.words, sign),
            _added(self.tags, other.tags, sign),
            (self.word_tag + sign * other.word_tag) % _WIDE,
        )

    def signed_words(self) -> tuple[int, ...]:
        """Centred lift of the words."""
        return tuple(word - _WORD if word >= _WORD // 2 else word for word in self.words)


def zeros(policy: SessionPolicy) -> WordBlock:
    """The neutral block."""
    return WordBlock((0,) * len(policy.word_limits), (0,) * policy.tag_words, 0)


def mask_block(policy: SessionPolicy, key: bytes) -> WordBlock:
    """The mask of a block from one word stream key."""
    size = 8 * (len(policy.word_limits) + policy.tag_words) + 16
    return WordBlock.parse(expand(Suite(policy.suite), key, size), policy)


def add_word_masks(
    block: WordBlock, policy: SessionPolicy, plus: Iterable[bytes], minus: Iterable[bytes]
) -> WordBlock:
    """`block` with the masks of word stream keys added and subtracted."""
    for key in plus:
        block = block.plus(mask_block(policy, key))
    for key in minus:
        block = block.plus(mask_block(policy, key), -1)
    return block


def check_words(words: Sequence[int], policy: SessionPolicy) -> None:
    """Refuse a wrong number of words, or one beyond its limit.

    Raises
    ------
    WordRangeError
        Naming the place.
    """
    if len(words) != len(policy.word_limits):
        raise WordRangeError(f"{len(words)} words, the policy has {len(policy.word_limits)}")
    for place, (word, limit) in enumerate(zip(words, policy.word_limits, strict=True)):
        if abs(word) > limit:
            raise WordRangeError(f"word {word} exceeds its limit {limit}", where=f"word {place}")


def _added(ours: tuple[int, ...], theirs: tuple[int, ...], sign: int) -> tuple[int, ...]:
    return tuple((a + sign * b) % _WORD for a, b in zip(ours, theirs, strict=True))
