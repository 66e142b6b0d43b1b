"""``python -m benchmarks.models --data FOLDER``: writes ``runs/bench/models.json``.

Every row is one choice on one platform; figures are HR@10 and NDCG@10 on validation items over the
whole catalogue. No test item is ever looked at, so that defaults can be chosen from the output.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.models import (
    content,
    own_content,
    personal,
    pretraining,
    shared_model,
    space,
    topics,
)
from clients.evaluation.split import leave_one_out
from shared.models.config import BehaviourConfig
from shared.models.encoders import load_encoder
from simulations.datasets.folder import load_folder
from simulations.platforms import LabPlatform, prepare

Row = dict[str, Any]
PARTS: dict[str, Callable[[LabPlatform], Iterator[Row]]] = {
    "space": space.rows,
    "shared": shared_model.rows,
    "personal": personal.rows,
    "content": content.rows,
    "own-content": own_content.rows,
    "topics": topics.rows,
    "pretraining": pretraining.rows,
}


def main() -> None:
    """Measure the chosen parts on one thread."""
    options = _options()
    torch.set_num_threads(1)
    federation = load_folder(options.data)
    quiet: Callable[..., None] = lambda *_: None  # noqa: E731
    platforms = prepare(federation, load_encoder(), BehaviourConfig(), leave_one_out, quiet)
    rows = []
    for platform in platforms:
        if options.platforms and platform.name not in options.platforms:
            continue
        for part in options.parts:
            for row in _timed(PARTS[part](platform)):
                rows.append({"platform": platform.name, "part": part, **row})
                print(json.dumps(rows[-1]), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps({"schema": 1, "data": federation.name, "rows": rows}, indent=1)
    )


def _timed(rows: Iterator[Row]) -> Iterator[Row]:
    """Add the CPU seconds that each row took."""
    start = time.process_time()
    for row in rows:
        yield {**row, "cpu_s": round(time.process_time() - start, 1)}
        start = time.process_time()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set")
    parser.add_argument("--platforms", nargs="*", default=[], help="all if left out")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("runs/bench/models.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
