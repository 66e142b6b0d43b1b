"""Peak memory of one variant in a process of its own: ``python -m benchmarks.private.memory``."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

import torch

from benchmarks.private.recurrent import Task, ours, torch_lstm

VARIANTS = ("nn.LSTM", "ours private")


def row(users: int, steps: int, hidden: int) -> dict[str, Any]:
    """Peak resident megabytes of each variant above that of the inputs alone."""
    return {
        "what": "peak memory of an LSTM step",
        "compared_with": "nn.LSTM without privacy, in a process of its own",
        "B": users,
        "T": steps,
        "H": hidden,
        "peak_mb": {name: _measured(name, users, steps, hidden) for name in VARIANTS},
    }


def _measured(name: str, users: int, steps: int, hidden: int) -> float:
    shape = [str(value) for value in (users, steps, hidden)]
    command = [sys.executable, "-m", "benchmarks.private.memory", name, *shape]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Run three steps and print how far they raised the peak, in megabytes."""
    name, shape = sys.argv[1], [int(value) for value in sys.argv[2:5]]
    torch.set_num_threads(1)
    task = Task(*shape)
    step = torch_lstm(task) if name == "nn.LSTM" else ours(task, private=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


if __name__ == "__main__":
    main()
