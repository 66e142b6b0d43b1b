"""Masking in place: keystreams added to a vector block by block.

One pass over the vector, all streams for one cache-resident block after the other, so extra memory
is one block per thread whatever the number of partners. Words wrap modulo 2^16 or 2^32.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.secagg.hashing import derive
from shared.secagg.suites import (
    KEYSTREAM_ALIGN,
    SEGMENT_BYTES,
    Keystream,
    Suite,
    expand,
    mask_keystream,
)

Ring = NDArray[np.unsignedinteger[Any]]
"""A vector over Z/2^16 (little-endian uint16) or Z/2^32 (little-endian uint32)."""

BLOCK_BYTES: Final = 1 << 17
_SLACK: Final = 16
_ZEROS: Final = memoryview(bytes(BLOCK_BYTES))


StreamKeys = tuple[bytes, bytes]
"""32-byte keys of the vector's keystream and of the words'."""


def stream_keys(seed: bytes) -> StreamKeys:
    """The two 32-byte stream keys of a mask seed: for the vector and for the words."""
    both = derive(seed, "streams", length=64)
    return both[:32], both[32:]


def add_masks(
    vector: Ring,
    plus: Sequence[bytes],
    minus: Sequence[bytes] = (),
    *,
    suite: Suite = Suite.X25519_AES256,
    threads: int = 1,
) -> None:
    """Add the keystreams of the keys `plus` to `vector` and subtract those of `minus`, in place.

    Parameters
    ----------
    vector
        (d,) contiguous; words wrap.
    plus, minus
        32-byte vector stream keys (see `stream_keys`).
    threads
        Coordinate ranges worked on at the same time; the ciphers release the interpreter lock.
    """
    parts = _ranges(vector.size, vector.itemsize, threads)
    if len(parts) < 2:
        _add_range(vector, 0, plus, minus, suite)
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        jobs = [
            pool.submit(_add_range, vector[a:b], a * vector.itemsize, plus, minus, suite)
            for a, b in parts
        ]
        for job in jobs:
            job.result()


def available_threads(nbytes: int) -> int:
    """Threads worth using on `nbytes` of masks: ISTHMUS_THREADS, or the processors of this process.

    One below a segment for each of them, where starting threads costs more than it saves.
    """
    wanted = int(os.environ.get("ISTHMUS_THREADS") or len(os.sched_getaffinity(0)))
    return max(1, min(wanted, nbytes // SEGMENT_BYTES))


def mask_words(key: bytes, count: int, *, suite: Suite) -> list[int]:
    """`count` 64-bit mask words of one word stream key."""
    return [int(word) for word in np.frombuffer(expand(suite, key, 8 * count), "<u8")]


def _ranges(size: int, itemsize: int, threads: int) -> list[tuple[int, int]]:
    """Coordinate ranges, one a thread: whole segments where there are enough of them."""
    whole = size * itemsize >= threads * SEGMENT_BYTES
    align = (SEGMENT_BYTES if whole else KEYSTREAM_ALIGN) // itemsize
    step = -(-size // (max(threads, 1) * align)) * align
    return [(start, min(size, start + step)) for start in range(0, size, step)]


def _add_range(
    part: Ring, offset: int, plus: Sequence[bytes], minus: Sequence[bytes], suite: Suite
) -> None:
    """Mask `part`, which begins at byte `offset` of the vector, segment by segment."""
    buffer = np.empty(BLOCK_BYTES + _SLACK, np.uint8)
    start = 0
    while start < part.size:
        at = offset + start * part.itemsize
        stop = start + (SEGMENT_BYTES - at % SEGMENT_BYTES) // part.itemsize
        added = [mask_keystream(suite, key, at) for key in plus]
        taken = [mask_keystream(suite, key, at) for key in minus]
        _add_segment(part[start:stop], buffer, added, taken)
        start = stop


def _add_segment(
    part: Ring,
    buffer: NDArray[np.uint8],
    added: list[Keystream],
    taken: list[Keystream],
) -> None:
    words = buffer[:BLOCK_BYTES].view(part.dtype)
    step = BLOCK_BYTES // part.itemsize
    for start in range(0, part.size, step):
        block = part[start : start + step]
        _add_block(block, words[: block.size], _ZEROS[: block.nbytes], buffer.data, added, taken)


def _add_block(
    block: Ring,
    words: Ring,
    zeros: memoryview,
    buffer: memoryview,
    added: list[Keystream],
    taken: list[Keystream],
) -> None:
    for cipher in added:
        cipher.update_into(zeros, buffer)
        np.add(block, words, out=block)
    for cipher in taken:
        cipher.update_into(zeros, buffer)
        np.subtract(block, words, out=block)
