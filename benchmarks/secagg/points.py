"""One point of the grid: n partners, d coordinates, everything interleaved in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.secagg.others import Flower, PlainFloat32
from benchmarks.secagg.ours import Ours
from benchmarks.secagg.timing import Timing, interleaved

STREAMS: Final = 10
"""Masks timed at the coordinator; its other counts are scaled from them (the cost is linear)."""
DROPOUTS: Final = (0.0, 0.1, 0.3)


def client_row(n: int, d: int, update: NDArray[np.float32], repeats: int) -> dict[str, Any]:
    """A node's upload step."""
    ours = {bits: Ours(n, d, bits) for bits in (32, 16)}
    flower, plain = Flower(n, d), PlainFloat32(d)
    steps: dict[str, Callable[[], object]] = {"float32": plain.client(update)}
    for bits, side in ours.items():
        steps[f"ours{bits}"] = side.client(update)
        steps[f"ours{bits}_same"] = side.encode(update)
    steps["flower"] = flower.client(update)
    timed = interleaved(steps, repeats)
    return {
        "what": "client upload step",
        "compared_with": "Flower SecAgg+ functions (quantise and mask; no key agreement)",
        "n": n,
        "d": d,
        **_milliseconds(timed),
        **_ratios(timed, ("ours32", "ours16", "ours32_same", "ours16_same")),
        "wire_of_float32": {
            "ours32": ours[32].upload_bytes() / (4 * d),
            "ours16": ours[16].upload_bytes() / (4 * d),
            "flower": flower.upload_bytes() / (4 * d),
        },
    }


def coordinator_rows(n: int, d: int, repeats: int) -> list[dict[str, Any]]:
    """The coordinator's work on a round, for each dropout rate."""
    ours = {f"ours{bits}": Ours(n, d, bits) for bits in (32, 16)}
    sides: dict[str, Ours | Flower] = {**ours, "flower": Flower(n, d)}
    steps: dict[str, Callable[[], object]] = {"float32_add": PlainFloat32(d).add_upload()}
    for name, side in sides.items():
        steps[f"{name}_add"] = side.add_upload()
        steps[f"{name}_unmask"] = side.unmask(STREAMS)
        steps[f"{name}_finish"] = side.finish()
    for name, own in ours.items():
        steps[f"{name}_digest"], steps[f"{name}_bounds"] = own.check_upload(), own.check_sum()
    timed = interleaved(steps, repeats)
    lost = sorted({min(round(rate * n), n - 2) for rate in DROPOUTS})
    return [_coordinator_row(n, d, dropped, sides, timed) for dropped in lost]


def _coordinator_row(
    n: int, d: int, dropped: int, sides: dict[str, Ours | Flower], timed: dict[str, Timing]
) -> dict[str, Any]:
    alive = n - dropped
    same = {
        name: alive * timed[f"{name}_add"].cpu
        + side.streams(dropped) * timed[f"{name}_unmask"].cpu / STREAMS
        + timed[f"{name}_finish"].cpu
        for name, side in sides.items()
    }
    checked = {
        name: same[name] + alive * timed[f"{name}_digest"].cpu + timed[f"{name}_bounds"].cpu
        for name in ("ours32", "ours16")
    }
    return {
        "what": "coordinator round",
        "compared_with": "Flower SecAgg+ functions (add, unmask, decode; no integrity checks)",
        "n": n,
        "d": d,
        "dropped": dropped,
        "streams": {name: side.streams(dropped) for name, side in sides.items()},
        "scaled_from_streams": STREAMS,
        "cpu_ms": {
            "float32": 1e3 * alive * timed["float32_add"].cpu,
            **{f"{name}_same": 1e3 * value for name, value in same.items()},
            **{name: 1e3 * value for name, value in checked.items()},
        },
        "times_faster": {
            **{f"{name}_same": same["flower"] / same[name] for name in checked},
            **{name: same["flower"] / value for name, value in checked.items()},
        },
    }


def _milliseconds(timed: dict[str, Timing]) -> dict[str, Any]:
    return {
        "cpu_ms": {name: 1e3 * timing.cpu for name, timing in timed.items()},
        "wall_ms": {name: 1e3 * timing.wall for name, timing in timed.items()},
    }


def _ratios(timed: dict[str, Timing], names: tuple[str, ...]) -> dict[str, Any]:
    return {"times_faster": {name: timed["flower"].cpu / timed[name].cpu for name in names}}
