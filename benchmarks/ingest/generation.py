"""Generated events as a folder of Parquet files: a popularity curve, repetitions, some bad rows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

ROWS_A_FILE: Final = 1_000_000
ITEMS: Final = 100_000
EVENTS_A_USER: Final = 25
NAMES: Final = np.array(["view", "click", "Add To Basket", "purchase"])
BAD_USERS: Final = 0.005
REPEATED: Final = 0.03


def generate(folder: Path, events: int, seed: int = 0) -> None:
    """Write `events` rows below `folder`/events, and the items beside them; kept if there."""
    done = folder / f"{events}-{seed}"
    if done.exists():
        return
    (folder / "events").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number, start in enumerate(range(0, events, ROWS_A_FILE)):
        table = _events(rng, min(ROWS_A_FILE, events - start), users=events // EVENTS_A_USER)
        parquet.write_table(table, folder / "events" / f"part-{number:04}.parquet")
    parquet.write_table(_items(), folder / "items.parquet")
    done.touch()


def _events(rng: np.random.Generator, rows: int, users: int) -> pa.Table:
    whose = rng.integers(0, users, rows)
    what = np.minimum((ITEMS * rng.random(rows) ** 3).astype(np.int64), ITEMS - 1)
    when = 1_600_000_000_000 + rng.integers(0, 63_072_000_000, rows)
    did = rng.choice(4, rows, p=(0.7, 0.2, 0.07, 0.03))
    source = np.arange(rows)
    repeated = np.flatnonzero(rng.random(rows) < REPEATED)
    source[repeated] = rng.integers(0, rows, len(repeated))
    names = np.char.add("customer-", whose[source].astype(str)).astype(object)
    names[rng.random(rows) < BAD_USERS] = ""
    return pa.table(
        {
            "user_id": pa.array(names, pa.string()),
            "item_id": pa.array(np.char.add("sku-", what[source].astype(str)), pa.string()),
            "timestamp": when[source],
            "event": pa.array(NAMES[did[source]], pa.string()),
        }
    )


def _items() -> pa.Table:
    numbers = np.arange(ITEMS).astype(str)
    return pa.table(
        {
            "item_id": np.char.add("sku-", numbers),
            "title": np.char.add("Article number ", numbers),
            "categories": np.char.add("Group ", (np.arange(ITEMS) % 50).astype(str)),
        }
    )
