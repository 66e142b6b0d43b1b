"""CPU and wall medians of interleaved repetitions, so that load on the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Median milliseconds of one step."""

    cpu: float
    wall: float


def interleaved(steps: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, Timing]:
    """Run every step in turn for about `seconds` in all, 3 to 41 times; medians by name."""
    begin = time.perf_counter()
    for step in steps.values():
        step()
    once = time.perf_counter() - begin
    repeats = max(3, min(41, round(seconds / max(once, 1e-6))))
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            samples[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: Timing(
            1e3 * statistics.median(c for c, _ in rows), 1e3 * statistics.median(w for _, w in rows)
        )
        for name, rows in samples.items()
    }
