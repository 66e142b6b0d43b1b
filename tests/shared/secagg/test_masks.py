"""Masks cancel, seek, do not depend on blocks or threads, and come from a cipher."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shared.secagg as package
from shared.secagg import Suite, masks, suites
from shared.secagg.masks import BLOCK_BYTES, add_masks, available_threads, mask_words, stream_keys
from shared.secagg.suites import SEGMENT_BYTES, expand, mask_keystream

SUITES = [Suite.X25519_AES256, Suite.X25519_CHACHA20]
KEYS = [bytes([i]) * 32 for i in range(1, 6)]


def naive(suite: Suite, key: bytes, length: int) -> bytes:
    """The mask keystream block by block, from its description."""
    if suite.chacha:
        return Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor().update(bytes(length))
    blocks = range(-(-length // 16))
    a_segment = SEGMENT_BYTES // 16
    counters = b"".join(
        (b // a_segment).to_bytes(12, "big") + (2 + b % a_segment).to_bytes(4, "big")
        for b in blocks
    )
    block_cipher = Cipher(algorithms.AES256(key), modes.ECB())  # noqa: S305 - one block at a time
    return block_cipher.encryptor().update(counters)[:length]


@pytest.fixture(params=[False, True], ids=["counter mode", "GCM"])
def either_mode(request, monkeypatch):
    monkeypatch.setattr(suites, "_gcm_is_faster", lambda: request.param)


@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("dtype", ["<u2", "<u4"])
@pytest.mark.parametrize("size", [1, 31, 32, 33, BLOCK_BYTES // 2, BLOCK_BYTES + 17])
def test_masks_are_the_keystream_as_little_endian_words(suite, dtype, size):
    vector = np.zeros(size, dtype)
    add_masks(vector, KEYS[:1], suite=suite)
    expected = np.frombuffer(naive(suite, KEYS[0], vector.nbytes), dtype)
    assert (vector == expected).all()


@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize("suite", SUITES)
def test_a_vector_goes_on_into_the_next_segment(suite):
    vector = np.zeros(SEGMENT_BYTES // 4 + 21, "<u4")
    add_masks(vector, KEYS[:1], suite=suite)
    assert vector.tobytes() == naive(suite, KEYS[0], vector.nbytes)


@pytest.mark.usefixtures("either_mode")
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("size", [5, 100_003, SEGMENT_BYTES // 2 + 3], ids=str)
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_give_what_one_thread_gives(suite, size, threads):
    start = np.arange(size, dtype="<u4")
    one, many = start.copy(), start.copy()
    add_masks(one, KEYS[:3], KEYS[3:], suite=suite)
    add_masks(many, KEYS[:3], KEYS[3:], suite=suite, threads=threads)
    assert (one == many).all()


def test_threads_are_those_of_the_environment_and_none_for_short_vectors(monkeypatch):
    monkeypatch.setenv("ISTHMUS_THREADS", "3")
    assert available_threads(100 * SEGMENT_BYTES) == 3
    assert available_threads(2 * SEGMENT_BYTES) == 2
    assert available_threads(10) == 1
    monkeypatch.delenv("ISTHMUS_THREADS")
    assert available_threads(1000 * SEGMENT_BYTES) == len(os.sched_getaffinity(0))


@pytest.mark.usefixtures("either_mode")
@given(st.integers(0, 2**14), st.integers(1, 4), st.sampled_from(SUITES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_keystream_seeks_to_any_block(block, length, suite):
    whole = mask_keystream(suite, KEYS[0]).update(bytes(64 * (block + length)))
    tail = mask_keystream(suite, KEYS[0], 64 * block).update(bytes(64 * length))
    assert tail == whole[64 * block :]


@given(st.integers(1, 3000), st.sampled_from(["<u2", "<u4"]))
def test_adding_and_subtracting_the_same_streams_changes_nothing(size, dtype):
    start = np.arange(size, dtype=dtype)
    vector = start.copy()
    add_masks(vector, KEYS, KEYS[::-1])
    assert (vector == start).all()


def test_the_aes_keystream_is_the_published_one():
    """Computed with two independent implementations."""
    key = bytes(range(32))
    words = np.frombuffer(expand(Suite.X25519_AES256, key, 256), "<u4")
    assert [f"{words[i]:08x}" for i in (0, 1, 62, 63)] == [
        "b60090f2",
        "d09f492a",
        "94ea6154",
        "fbf15f26",
    ]


def test_vector_and_word_streams_of_a_seed_differ():
    vector_key, word_key = stream_keys(KEYS[0])
    assert vector_key != word_key
    assert mask_words(word_key, 3, suite=Suite.X25519_AES256)[:2] == mask_words(
        word_key, 2, suite=Suite.X25519_AES256
    )


def test_no_statistical_generator_is_used_for_masks_or_keys():
    """Seeds are 256 bits and expand through a cipher; numpy and `random` generators are absent."""
    for path in Path(package.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        attributes = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        imported = {
            alias.name
            for n in ast.walk(tree)
            if isinstance(n, ast.Import | ast.ImportFrom)
            for alias in n.names
        }
        weak = {"default_rng", "RandomState", "randint", "random"}
        assert not weak & (attributes | imported), path
    assert len(stream_keys(bytes(32))[0]) == 32
    assert masks.BLOCK_BYTES % suites.KEYSTREAM_ALIGN == 0
