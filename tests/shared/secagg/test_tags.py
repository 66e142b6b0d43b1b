"""Tags are linear, and every changed sum is found."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.secagg import tags
from shared.secagg.words import zeros
from tests.shared.secagg.grid import policy

RHO = b"rho" * 10 + b"!!"
SIZE = tags._BLOCK * 2 + 5
RULES = policy(4, 0, length=SIZE, word_limits=(10**6, 10**6))


def vector(seed):
    rng = np.random.default_rng(seed)
    return rng.integers(-RULES.limit, RULES.limit + 1, SIZE).astype(np.int32).view("<u4")


def test_the_tag_of_a_sum_is_the_sum_of_tags():
    vectors = [vector(seed) for seed in range(4)]
    words = [(3, -5), (10, 2), (-7, 7), (1, 1)]
    total = zeros(RULES)
    for q, w in zip(vectors, words, strict=True):
        total = total.plus(tags.tag(q, w, RHO, RULES))
    ring_sum = sum(vectors[1:], start=vectors[0].copy())
    assert total == tags.tag(ring_sum, (7, 5), RHO, RULES)


@given(st.integers(0, SIZE - 1), st.integers(0, 31))
@settings(deadline=None, max_examples=80)
def test_one_flipped_bit_changes_every_tag(place, bit):
    q = vector(0)
    before = tags.tag(q, (1, 2), RHO, RULES)
    q[place] ^= np.uint32(1 << bit)
    after = tags.tag(q, (1, 2), RHO, RULES)
    assert all(a != b for a, b in zip(before.tags, after.tags, strict=True))
    assert before.word_tag == after.word_tag


@given(st.integers(0, 1), st.integers(-(2**40), 2**40).filter(bool))
def test_a_changed_word_changes_the_word_tag(place, by):
    q, words = np.zeros(3, "<u4"), [1, 2]
    before = tags.tag(q, words, RHO, RULES)
    words[place] += by
    assert tags.tag(q, words, RHO, RULES).word_tag != before.word_tag


def test_swapped_blocks_and_swapped_coordinates_change_the_tag():
    q = vector(1)
    block = tags._BLOCK
    swapped = np.concatenate([q[block : 2 * block], q[:block], q[2 * block :]])
    assert tags.tag(q, (0, 0), RHO, RULES).tags != tags.tag(swapped, (0, 0), RHO, RULES).tags
    q2 = q.copy()
    q2[0], q2[1] = q[1], q[0]
    assert tags.tag(q, (0, 0), RHO, RULES).tags != tags.tag(q2, (0, 0), RHO, RULES).tags


def test_pads_differ_by_partner_and_secret():
    blocks = {tags.pads([i], rho, RULES) for i in (1, 2, 3) for rho in (RHO, RHO[::-1])}
    assert len(blocks) == 6
    assert tags.pads([1, 2], RHO, RULES) == tags.pads([1], RHO, RULES).plus(
        tags.pads([2], RHO, RULES)
    )


def test_the_joint_secret_binds_every_part_and_who_gave_it():
    parts = {1: b"a" * 32, 2: b"b" * 32}
    base = tags.joint_secret(b"c" * 32, parts)
    assert base == tags.joint_secret(b"c" * 32, dict(reversed(parts.items())))
    for other in ({1: b"b" * 32, 2: b"a" * 32}, {1: b"a" * 32}, {1: b"a" * 32, 3: b"b" * 32}):
        assert tags.joint_secret(b"c" * 32, other) != base
