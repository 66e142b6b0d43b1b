"""No bytes from outside do anything but get refused: no crash, bounded time and memory."""

from __future__ import annotations

import os
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.secagg import Suite
from tests.shared.secagg.decoders import decoders, feed

PLAIN = decoders()
HYBRID = decoders(Suite.HYBRID_AES256)
NAMES = sorted(PLAIN)
TARGETS = [(found, name) for found in (PLAIN, HYBRID) for name in NAMES]
REFUSED = "SA-"


def mutated(valid: bytes, rng: random.Random) -> bytes:
    """A valid message with something changed: bits, a cut, an insertion, a repetition."""
    raw = bytearray(valid)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(raw) + 1)
        action = rng.randrange(5)
        if action == 0 and at < len(raw):
            raw[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            del raw[at : at + rng.randrange(1, 70)]
        elif action == 2:
            raw[at:at] = rng.randbytes(rng.randrange(1, 70))
        elif action == 3:
            raw[at : at + 2] = rng.choice((b"\0\0", b"\xff\xff", b"\1\0"))
        else:
            raw += raw[:at]
    return bytes(raw)


def check(found: dict, name: str, raw: bytes) -> None:
    valid, decoder = found[name]
    if raw != valid:
        assert feed(decoder, raw).startswith(REFUSED), name


def test_every_stage_of_both_sides_has_its_decoder_here():
    assert NAMES == [
        "coordinator CollectingAdverts",
        "coordinator CollectingReveals",
        "coordinator CollectingShares",
        "coordinator CollectingSignatures",
        "coordinator CollectingUploads",
        "coordinator complaint",
        "lock",
        "node mask",
        "node result",
        "node share",
        "node sign",
        "node unmask",
        "snapshot",
    ]


@given(st.sampled_from(TARGETS), st.binary(max_size=3000))
@settings(deadline=None, max_examples=400)
def test_arbitrary_bytes_are_refused(target, raw):
    check(*target, raw)


@given(st.sampled_from(TARGETS), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=600)
def test_mutated_messages_are_refused(target, rng):
    check(*target, mutated(target[0][target[1]][0], rng))


@pytest.mark.slow
def test_a_hundred_thousand_mutated_messages_are_refused():
    rng = random.Random(7)
    for number in range(100_000):
        found, name = TARGETS[number % len(TARGETS)]
        check(found, name, mutated(found[name][0], rng))


@pytest.mark.parametrize("name", NAMES)
def test_a_huge_message_is_refused_without_copying_it(name):
    huge = PLAIN[name][0][:64] + os.urandom(64) * 50_000
    tracemalloc.start()
    code = feed(PLAIN[name][1], huge)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert code.startswith(REFUSED)
    assert peak < 2.5 * len(huge)


@pytest.mark.parametrize("name", NAMES)
def test_the_valid_message_itself_is_accepted(name):
    """Otherwise the tests above would show nothing."""
    fresh = decoders()
    valid, decoder = fresh[name]
    expected = "SA-002" if name == "coordinator complaint" else ""
    assert feed(decoder, valid) == expected
