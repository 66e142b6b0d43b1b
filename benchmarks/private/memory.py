"""Peak memory of one variant in a process of its own: ``python -m benchmarks.private.memory``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.private.recurrent import Task, ours, torch_lstm

VARIANTS = ("nn.LSTM", "ours private")


def row(users: int, steps: int, hidden: int) -> dict[str, Any]:
    """Peak resident megabytes of each variant above what the inputs and the model take."""
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
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    for _ in range(3):
        step()
    print((_status("VmHWM") - before) / 1024)


def _status(key: str) -> int:
    """A field of ``/proc/self/status``, in kilobytes (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise KeyError(key)


if __name__ == "__main__":
    main()
