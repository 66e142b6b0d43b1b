"""The verified sum: a keyed linear tag that the coordinator cannot compute.

All sharers know ρ, the coordinator does not. Each appends ``h(q) + pad(ρ, u) mod 2^64`` to its
masked words, where h is linear with coefficients from ρ; sums of tags are tags of sums, so a
published sum is checked without another exchange. h has two levels, so that its coefficients cost
next to no keystream: with q cut into blocks of 2^14 coordinates, ``h(q) = Σ_b s_b Σ_j r_j q_bj``.

A changed sum passes with probability at most 2^-(60 - k) for each tag (k bits in the ring, two tags
by default): in a block that differs, the inner sum is a uniform multiple of at most 2^(k-1), and
what its own power of two takes away costs a factor of (67 - k) / 2. The words have a tag of
their own modulo 2^128. See ``docs/secure-aggregation.md`` for the argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.secagg.fixed_point import signed
from shared.secagg.hashing import derive, digest, u16
from shared.secagg.masks import Ring
from shared.secagg.policy import SessionPolicy
from shared.secagg.suites import Suite, expand
from shared.secagg.words import WordBlock

Words = NDArray[np.int64]

_BLOCK: Final = 1 << 14
_WORD_MASK: Final = (1 << 64) - 1
_WIDE_MASK: Final = (1 << 128) - 1


def joint_secret(context: bytes, parts: Mapping[int, bytes]) -> bytes:
    """ρ of all sharers' parts, in ascending order of partner."""
    return digest("rho", context, *(u16(i) + parts[i] for i in sorted(parts)))


def tag(vector: Ring, words: Sequence[int], rho: bytes, policy: SessionPolicy) -> WordBlock:
    """Words and unpadded tags of one partner's integers, or of their sum."""
    tags = _vector_tags(vector, rho, policy)
    narrow = tuple(word & _WORD_MASK for word in words)
    return WordBlock(narrow, tags, _word_tag(words, rho))


def pads(partners: Iterable[int], rho: bytes, policy: SessionPolicy) -> WordBlock:
    """Sum of the pads of `partners`; no words."""
    total = WordBlock((0,) * len(policy.word_limits), (0,) * policy.tag_words, 0)
    for partner in partners:
        raw = derive(rho, "pad", u16(partner), length=8 * policy.tag_words + 16)
        total = total.plus(WordBlock.parse(bytes(8 * len(policy.word_limits)) + raw, policy))
    return total


def _vector_tags(vector: Ring, rho: bytes, policy: SessionPolicy) -> tuple[int, ...]:
    lifted = signed(vector)
    coefficients = [_coefficients(lifted.size, rho, n, policy) for n in range(policy.tag_words)]
    wide = np.empty(_BLOCK, np.int64)
    totals = [0] * policy.tag_words
    for place, start in enumerate(range(0, lifted.size, _BLOCK)):
        block = lifted[start : start + _BLOCK]
        wide[: block.size] = block
        for n, (inner, outer) in enumerate(coefficients):
            totals[n] += int(outer[place]) * int(np.dot(inner[: block.size], wide[: block.size]))
    return tuple(total & _WORD_MASK for total in totals)


def _coefficients(size: int, rho: bytes, number: int, policy: SessionPolicy) -> tuple[Words, Words]:
    """Coefficients of one tag: (2^14,) within a block and one for each block."""
    blocks = -(-size // _BLOCK)
    raw = expand(Suite(policy.suite), derive(rho, "tag", u16(number)), 8 * (_BLOCK + blocks))
    both = np.frombuffer(raw, "<i8")
    return both[:_BLOCK], both[_BLOCK:]


def _word_tag(words: Sequence[int], rho: bytes) -> int:
    total = 0
    for place, word in enumerate(words):
        total += int.from_bytes(derive(rho, "word-tag", u16(place), length=16), "little") * word
    return total & _WIDE_MASK
