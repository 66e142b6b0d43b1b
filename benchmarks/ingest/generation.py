"""Generated events in every format: a popularity curve, repetitions, some bad rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

Format = Literal["parquet", "csv", "jsonl", "sqlite"]

ROWS_A_FILE: Final = 1_000_000
ITEMS: Final = 100_000
EVENTS_A_USER: Final = 25
NAMES: Final = np.array(["view", "click", "Add To Basket", "purchase"])
BAD_USERS: Final = 0.005
REPEATED: Final = 0.03


def generate(folder: Path, events: int, form: Format = "parquet", seed: int = 0) -> None:
    """Write `events` rows to `folder`/events..., and the items beside them; kept if there."""
    done = folder / f"{events}-{form}-{seed}"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    tables = (
        _events(rng, min(ROWS_A_FILE, events - start), users=events // EVENTS_A_USER)
        for start in range(0, events, ROWS_A_FILE)
    )
    for number, table in enumerate(tables):
        _write(folder, table, form, number)
    parquet.write_table(_items(), folder / "items.parquet")
    done.touch()


def _write(folder: Path, table: pa.Table, form: Format, number: int) -> None:
    if form == "parquet":
        (folder / "events").mkdir(exist_ok=True)
        parquet.write_table(table, folder / "events" / f"part-{number:04}.parquet")
    elif form == "csv":
        with (folder / "events.csv").open("ab") as file:
            options = arrow_csv.WriteOptions(include_header=not number, quoting_style="needed")
            arrow_csv.write_csv(table, file, options)
    elif form == "jsonl":
        with (folder / "events.jsonl").open("a") as file:
            table.to_pandas().to_json(file, orient="records", lines=True)
    else:
        with sqlite3.connect(folder / "events.db") as database:
            table.to_pandas().to_sql("log", database, index=False, if_exists="append")


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
