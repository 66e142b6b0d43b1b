"""A node with a small shop's files, for tests of its store and commands."""

from __future__ import annotations

import json
from pathlib import Path

from clients.data.node_ingest import NodeIngestion
from clients.data.report import ValidationReport
from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.lifecycle.creation import create_node
from clients.node_config import read_node_config

T = 1_700_000_000
USERS = [f"customer-{number}@example.org" for number in range(6)]


def rows(count: int = 60, start: int = 0) -> list[dict[str, object]]:
    return [
        {"user_id": USERS[n % 6], "item_id": f"i{n % 7}", "timestamp": T + n, "event": "view"}
        for n in range(start, start + count)
    ]


def write_events(home: Path, events: list[dict[str, object]]) -> None:
    (home / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in events))


def shop(folder: Path, **data: object) -> NodeHome:
    """A node in `folder` with 60 events of 6 users on 7 items; `data` goes into ``[data]``."""
    home = NodeHome(folder / "node")
    sources = {"events": {"path": "events.jsonl"}, "items": {"path": "items.csv"}}
    create_node(home, {"name": "shop", "data": sources | data})
    write_events(home.root, rows())
    lines = ["item_id,title,categories,qty", *(f"i{n},Thing {n},A|B,{n}" for n in range(7))]
    (home.root / "items.csv").write_text("\n".join(lines) + "\n")
    return home


def ingest(home: NodeHome) -> ValidationReport:
    config = read_node_config(home, {})
    return NodeIngestion.of(home, config.name, config.data).run(NodeStore(home))
