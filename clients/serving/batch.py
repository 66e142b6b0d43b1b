"""Recommendations for all users as one Parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from clients.serving.engine import Engine, Wanted
from shared.progress import Step

PORTION: Final = 64
SCHEMA: Final = pa.schema(
    [
        ("user", pa.string()),
        ("place", pa.int32()),
        ("item", pa.string()),
        ("score", pa.float64()),
        ("fallback", pa.string()),
    ]
)


def write_batch(engine: Engine, users: tuple[str, ...], k: int, path: Path, step: Step) -> int:
    """Write the best `k` items of every user; rows written.

    Users stand as pseudonyms: the platform, which has the key, can compute them from its own ids.
    The file appears under its name when it is whole, readable by its owner alone.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    rows = 0
    with pq.ParquetWriter(beside, SCHEMA) as writer:
        for start in range(0, len(users), PORTION):
            portion = users[start : start + PORTION]
            table = pa.Table.from_pylist(list(_rows(engine, portion, k)), schema=SCHEMA)
            writer.write_table(table)
            rows += len(table)
            step(start + len(portion), len(users), "users")
    beside.replace(path)
    return rows


def _rows(engine: Engine, users: tuple[str, ...], k: int) -> Iterator[dict[str, Any]]:
    wanted = [Wanted(user=user, k=k) for user in users]
    for user, prepared in zip(users, engine.prepare(wanted), strict=True):
        answered = prepared.answer()
        fallback = answered.advice.answer.fallback
        for place, one in enumerate(answered.advice.answer.ranked.items, start=1):
            yield {
                "user": user,
                "place": place,
                "item": answered.catalogue.item_ids[one.item],
                "score": one.total,
                "fallback": fallback,
            }
