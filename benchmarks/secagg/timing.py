"""CPU and wall medians of interleaved repetitions, so that load on the machine hits all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds of one step."""

    cpu: float
    wall: float


def interleaved(steps: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Run every step once per repetition, in turn; medians by name."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            samples[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: Timing(statistics.median(c for c, _ in rows), statistics.median(w for _, w in rows))
        for name, rows in samples.items()
    }
