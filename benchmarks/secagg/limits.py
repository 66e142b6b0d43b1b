"""What the machine allows: keystream limit, extra memory, scaling over threads."""

from __future__ import annotations

import os
import tracemalloc
from functools import partial
from typing import Any

import numpy as np

from benchmarks.secagg.timing import interleaved
from shared.secagg.masks import BLOCK_BYTES, add_masks
from shared.secagg.suites import Suite, keystream


def throughput(d: int, streams: int, repeats: int) -> dict[str, Any]:
    """Bytes of mask per second in `add_masks`, against the bare AES-256-CTR keystream."""
    vector = np.zeros(d, "<u4")
    keys = [os.urandom(32) for _ in range(streams)]
    zeros, buffer = memoryview(bytes(BLOCK_BYTES)), np.empty(BLOCK_BYTES + 16, np.uint8)

    def bare() -> None:
        for key in keys:
            cipher = keystream(Suite.X25519_AES256, key)
            for _ in range(0, vector.nbytes, BLOCK_BYTES):
                cipher.update_into(zeros, buffer.data)

    timed = interleaved({"masks": lambda: add_masks(vector, keys), "keystream": bare}, repeats)
    size = streams * vector.nbytes / 1e9
    return {
        "what": "mask throughput",
        "compared_with": "AES-256-CTR keystream alone, same blocks, same run",
        "d": d,
        "streams": streams,
        "masks_gb_per_cpu_s": size / timed["masks"].cpu,
        "keystream_gb_per_cpu_s": size / timed["keystream"].cpu,
        "share_of_limit": timed["keystream"].cpu / timed["masks"].cpu,
    }


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
