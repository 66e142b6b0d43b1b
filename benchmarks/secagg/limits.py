"""What the machine allows: keystream limit, extra memory, scaling over threads."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from benchmarks.secagg.timing import interleaved
from shared.secagg.masks import BLOCK_BYTES, add_masks
from shared.secagg.suites import SEGMENT_BYTES, Keystream, Suite, mask_keystream


def throughput(d: int, streams: int, repeats: int) -> dict[str, Any]:
    """Bytes of mask per second in `add_masks`, against bare AES-256 keystream.

    Against plain counter mode, the limit of one core without the fused code, and against the mode
    that `add_masks` itself has found to be the faster one here.
    """
    vector = np.zeros(d, "<u4")
    keys = [os.urandom(32) for _ in range(streams)]
    timed = interleaved(
        {
            "masks": lambda: add_masks(vector, keys),
            "counter mode": lambda: _bare(vector.nbytes, keys, _counter_mode),
            "fastest mode": lambda: _bare(vector.nbytes, keys, _fastest),
        },
        repeats,
    )
    size = streams * vector.nbytes / 1e9
    return {
        "what": "mask throughput",
        "compared_with": "AES-256 keystream alone, same blocks, same run",
        "d": d,
        "streams": streams,
        "gb_per_cpu_s": {name: size / timing.cpu for name, timing in timed.items()},
        "share_of_counter_mode": timed["counter mode"].cpu / timed["masks"].cpu,
        "share_of_fastest_mode": timed["fastest mode"].cpu / timed["masks"].cpu,
    }


def _bare(size: int, keys: list[bytes], stream: Callable[[bytes, int], Keystream]) -> None:
    zeros, buffer = memoryview(bytes(BLOCK_BYTES)), np.empty(BLOCK_BYTES + 16, np.uint8)
    for key in keys:
        for start in range(0, size, SEGMENT_BYTES):
            cipher = stream(key, start)
            for _ in range(0, min(SEGMENT_BYTES, size - start), BLOCK_BYTES):
                cipher.update_into(zeros, buffer.data)


def _counter_mode(key: bytes, start: int) -> Keystream:
    return Cipher(algorithms.AES256(key), modes.CTR(start.to_bytes(16, "big"))).encryptor()


def _fastest(key: bytes, start: int) -> Keystream:
    return mask_keystream(Suite.X25519_AES256, key, start)


def threads(d: int, streams: int, repeats: int) -> dict[str, Any]:
    """Wall time of masking with one and with two threads."""
    vector = np.zeros(d, "<u4")
    keys = [os.urandom(32) for _ in range(streams)]
    steps = {str(count): partial(add_masks, vector, keys, threads=count) for count in (1, 2)}
    timed = interleaved(steps, repeats)
    return {
        "what": "two threads",
        "compared_with": "one thread, wall time",
        "d": d,
        "streams": streams,
        "wall_s": {count: timing.wall for count, timing in timed.items()},
        "cpu_s": {count: timing.cpu for count, timing in timed.items()},
        "speed_up": timed["1"].wall / timed["2"].wall,
        "load_average": os.getloadavg()[0],
    }


def memory(d: int, streams: int, count: int) -> dict[str, Any]:
    """Peak extra bytes while taking masks off an accumulator."""
    vector = np.zeros(d, "<u4")
    keys = [os.urandom(32) for _ in range(streams)]
    tracemalloc.start()
    add_masks(vector, keys, threads=count)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "what": "coordinator memory",
        "compared_with": "one accumulator",
        "accumulator_bytes": vector.nbytes,
        "extra_bytes": peak,
        "threads": count,
        "block_bytes": BLOCK_BYTES,
        "extra_blocks_per_thread": peak / count / BLOCK_BYTES,
    }
