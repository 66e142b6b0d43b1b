"""``python -m benchmarks.private``: writes ``runs/bench/private.json``, prints the goals."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.private import banded, banded_federation, memory, recurrent, whole_models

Row = dict[str, Any]
GRID = ((64, 256, 1024), (20, 50, 200), (64, 128, 256))
SMALL = ((64, 256), (20,), (64, 128))
REFERENCE = (256, 50, 128)
OPACUS_ELEMENTS = 64 * 50 * 128
"""Opacus runs at shapes up to this product B T H and at `REFERENCE`: it takes minutes or the memory
at larger ones."""


def main() -> None:
    """Run the grid on one thread."""
    options = _options()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for label, measure in _plan(small=options.small, seconds=options.seconds):
        if not re.search(options.rows, label):
            continue
        row = measure()
        rows.append(row)
        print(json.dumps({k: row[k] for k in row if k != "compared_with"}), file=sys.stderr)
    _write(options.out, rows, _goals(rows))


def _plan(*, small: bool, seconds: float) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Every row: its label and what measures it."""
    yield from _other_rows(small=small, seconds=seconds)
    shapes = sorted(product(*(SMALL if small else GRID)), key=math.prod)
    for shape in shapes:  # cheap ones first: a run that is cut short has most rows
        affordable = shape == REFERENCE or math.prod(shape) <= OPACUS_ELEMENTS
        with_opacus = affordable and not small
        yield _lstm_row(shape, seconds, with_opacus=with_opacus)
    if small:
        yield _lstm_row((64, 20, 64), seconds, with_opacus=True)
    else:
        for users, bands in ((5_000, 1), (5_000, 4), (20_000, 8)):
            yield f"banded {users} {bands}", partial(banded.row, users, 4.0, bands, repeats=5)
        measure = partial(banded_federation.row, 33_000, 4.0, (1, 8), repeats=3)
        yield "banded federation", measure


def _lstm_row(
    shape: tuple[int, ...], seconds: float, *, with_opacus: bool
) -> tuple[str, Callable[[], Row]]:
    users, steps, hidden = shape
    measure = partial(recurrent.row, users, steps, hidden, seconds, with_opacus=with_opacus)
    return f"LSTM {users} {steps} {hidden}", measure


def _other_rows(*, small: bool, seconds: float) -> Iterator[tuple[str, Callable[[], Row]]]:
    for users in (64, 256):
        yield f"ragged {users}", partial(recurrent.ragged_row, users, 50, 128, seconds)
    for users in (64, 256, 1024):
        yield f"VAE-GAN {users}", partial(whole_models.vae_gan_row, users, seconds)
    for shape in ((64, 20, 64),) if small else (REFERENCE, (1024, 50, 256), (64, 200, 128)):
        yield f"memory {shape}", partial(memory.row, *shape)
    for items, negatives in ((3_000, None), (50_000, 512), (50_000, None)):
        if not small or negatives:
            measure = partial(whole_models.next_item_row, items, negatives, seconds)
            yield f"next-item {items} {negatives}", measure


def _goals(rows: list[Row]) -> list[Row]:
    """The goals that the rows speak of."""
    lstm = [row for row in rows if row["what"] == "LSTM step"]
    ragged = [row for row in rows if row["what"] == "LSTM step, ragged"]
    models = [row for row in rows if row["what"] == "next-item model step"]
    content = [row for row in rows if row["what"] == "VAE-GAN step"]
    peaks = [row["peak_mb"] for row in rows if "peak_mb" in row]
    hooks = [row for row in lstm if "Opacus hooks" in row["cpu_ms"]]
    goals = [
        *_worst("LSTM step over nn.LSTM, worst shape", lstm, "ours private", 1.10),
        *_by_batch(lstm),
        *_worst("ragged (40% live) over padded nn.LSTM", ragged, "ours private", 0.55),
        *_worst("next-item model over torch padded", models, "ours private", 1.10),
        *_worst("VAE-GAN over itself without privacy", content, "private", 1.30),
    ]
    if peaks:
        most = max(p["ours private"] / p["nn.LSTM"] for p in peaks)
        goals.append(_most("peak memory over nn.LSTM", most, 1.0))
    chosen = [r for r in hooks if (r["B"], r["T"], r["H"]) == REFERENCE] or hooks
    for row in chosen:
        faster = row["cpu_ms"]["Opacus hooks"] / row["cpu_ms"]["ours private"]
        goals.append(_least(f"times faster than Opacus hooks at {_shape(row)}", faster, 20))
    return goals


def _by_batch(rows: list[Row]) -> Iterator[Row]:
    for users in sorted({row["B"] for row in rows}):
        of = [row for row in rows if row["B"] == users]
        yield from _worst(f"  of which B = {users}", of, "ours private", 1.10)


def _worst(what: str, rows: list[Row], name: str, goal: float) -> list[Row]:
    return [_most(what, max(row["cpu_ratio"][name] for row in rows), goal)] if rows else []


def _shape(row: Row) -> str:
    return f"({row['B']}, {row['T']}, {row['H']})"


def _least(name: str, value: float, goal: float) -> Row:
    return {"name": name, "value": value, "goal": goal, "met": value >= goal}


def _most(name: str, value: float, goal: float) -> Row:
    return {"name": name, "value": value, "goal": goal, "met": value <= goal}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.private", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick slice of the grid")
    parser.add_argument(
        "--rows", default="", help="only rows whose label matches: 'LSTM 64|ragged'"
    )
    parser.add_argument("--seconds", type=float, default=6.0, help="per row")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/private.json"))
    return parser.parse_args()


def _write(path: Path, rows: list[Row], goals: list[Row]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    report = {"schema": 1, "git": commit, "machine": _machine(), "rows": rows, "goals": goals}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for goal in goals:
        met = "met" if goal["met"] else "NOT met"
        print(f"{goal['name']:55} {goal['value']:8.3f}  goal {goal['goal']:5}  {met}")


def _machine() -> Row:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": 1,
        "gpu": "not run",
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "opacus", "numpy")},
    }


if __name__ == "__main__":
    main()
