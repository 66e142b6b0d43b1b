"""The verified sum: a keyed linear tag that the coordinator cannot compute.

All sharers know ρ, the coordinator does not. Each appends ``⟨r(ρ), q⟩ + pad(ρ, u) mod 2^64`` to its
masked words; sums of tags are tags of sums, so a published sum is checked without another exchange.
A changed sum passes with probability at most 2^-(65 - k) for each tag: the coordinates of a
difference are below 2^k in absolute value, so their smallest power of two is at most 2^(k-1), and r
is uniform. The words have a tag of their own modulo 2^128. See ``docs/secure-aggregation.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from shared.secagg.fixed_point import signed
from shared.secagg.hashing import derive, digest, u16
from shared.secagg.masks import Ring
from shared.secagg.policy import SessionPolicy
from shared.secagg.suites import Suite, keystream
from shared.secagg.words import WordBlock

_BLOCK: Final = 1 << 13
_WORD_MASK: Final = (1 << 64) - 1
_WIDE_MASK: Final = (1 << 128) - 1


def joint_secret(context: bytes, parts: Mapping[int, bytes]) -> bytes:
    """ρ of all sharers' parts, in ascending order of partner."""
    return digest("rho", context, *(u16(i) + parts[i] for i in sorted(parts)))


def tag(vector: Ring, words: Sequence[int], rho: bytes, policy: SessionPolicy) -> WordBlock:
    """Words and unpadded tags of one partner's integers, or of their sum."""
    tags = tuple(_vector_tag(vector, rho, n, policy) for n in range(policy.tag_words))
    narrow = tuple(word & _WORD_MASK for word in words)
    return WordBlock(narrow, tags, _word_tag(words, rho))


def pads(partners: Iterable[int], rho: bytes, policy: SessionPolicy) -> WordBlock:
    """Sum of the pads of `partners`; no words."""
    total = WordBlock((0,) * len(policy.word_limits), (0,) * policy.tag_words, 0)
    for partner in partners:
        raw = derive(rho, "pad", u16(partner), length=8 * policy.tag_words + 16)
        total = total.plus(WordBlock.parse(bytes(8 * len(policy.word_limits)) + raw, policy))
    return total


def _vector_tag(vector: Ring, rho: bytes, number: int, policy: SessionPolicy) -> int:
    cipher = keystream(Suite(policy.suite), derive(rho, "tag", u16(number)))
    lifted = signed(vector)
    zeros = memoryview(bytes(8 * _BLOCK))
    buffer = np.empty(8 * _BLOCK + 16, np.uint8)
    factors, wide = buffer[: 8 * _BLOCK].view("<i8"), np.empty(_BLOCK, np.int64)
    total = 0
    for start in range(0, lifted.size, _BLOCK):
        block = lifted[start : start + _BLOCK]
        cipher.update_into(zeros[: 8 * block.size], buffer.data)
        wide[: block.size] = block
        total += int(np.dot(factors[: block.size], wide[: block.size]))
    return total & _WORD_MASK


def _word_tag(words: Sequence[int], rho: bytes) -> int:
    total = 0
    for place, word in enumerate(words):
        total += int.from_bytes(derive(rho, "word-tag", u16(place), length=16), "little") * word
    return total & _WIDE_MASK
