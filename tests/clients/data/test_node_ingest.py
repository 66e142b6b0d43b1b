"""Ingestion into the store: whole or not at all, repeatable, piece by piece, within retention."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import clients.data.node_ingest as module
from clients.data.errors import TooManyRejectedError
from clients.data.ingest import ingest as ingest_in_memory
from clients.data.node_ingest import NodeIngestion
from clients.data.origins import NoOriginError
from clients.data.problems import Kind
from clients.data.pseudonyms import PseudonymKey
from clients.data.sources import open_source
from clients.data.store import LiveEvent, NodeStore
from clients.home import NodeHome
from clients.lifecycle.creation import create_node
from clients.node_config import read_node_config
from tests.clients.small_shop import USERS, T, ingest, rows, shop, write_events


def test_the_store_holds_what_an_ingestion_in_memory_yields(tmp_path: Path) -> None:
    home = shop(tmp_path)
    report = ingest(home)
    data, same = ingest_in_memory(
        "shop",
        events=open_source(home.root / "events.jsonl"),
        items=open_source(home.root / "items.csv"),
        key=PseudonymKey.load(home.pseudonym_key),
    )
    catalogue, histories = NodeStore(home).load()
    assert catalogue == data.catalogue
    assert histories.users == data.histories.users
    assert np.array_equal(histories.items, data.histories.items)
    assert np.array_equal(histories.times, data.histories.times)
    assert np.array_equal(histories.offsets, data.histories.offsets)
    assert report.users == same.users == 6


def test_no_raw_user_id_is_in_the_node_s_directory_afterwards(tmp_path: Path) -> None:
    home = shop(tmp_path)
    report = ingest(home)
    NodeStore(home).append_events([])
    own = [p for p in home.root.rglob("*") if p.is_file() and p.name != "events.jsonl"]
    assert len(own) > 5
    assert not [path for path in own if b"@example.org" in path.read_bytes()]
    assert "@example.org" not in str(report.as_dict())


def test_further_columns_of_items_are_kept(tmp_path: Path) -> None:
    home = shop(tmp_path, items={"path": "items.csv", "extra": {"stock": "qty"}})
    ingest(home)
    assert NodeStore(home).item_columns() == {"stock": [str(n) for n in range(7)]}


def test_rejected_data_leave_the_former_ones_in_use(tmp_path: Path) -> None:
    home = shop(tmp_path)
    ingest(home)
    write_events(home.root, [row | {"event": "?"} for row in rows()])
    with pytest.raises(TooManyRejectedError):
        ingest(home)
    assert len(NodeStore(home).load()[1].items) == 60


def test_a_fault_while_writing_leaves_the_former_data_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shop(tmp_path)
    ingest(home)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.SnapshotWriter, "events", full)
        with pytest.raises(OSError, match="No space"):
            ingest(home)
    assert [path.name for path in home.store.glob("snapshot-*")] == ["snapshot-1"]
    ingest(home)
    assert len(NodeStore(home).load()[1].items) == 60


def test_kill_9_during_ingestion_loses_nothing(tmp_path: Path) -> None:
    home = shop(tmp_path)
    ingest(home)
    store = NodeStore(home)
    user = store.pseudonym(USERS[0])
    store.append_events([LiveEvent(user=user, item="i3", event="like", time=T + 500.0)])
    program = f"""
import sys, time
from pathlib import Path
import clients.data.node_ingest as module
from clients.home import NodeHome
from tests.clients.small_shop import ingest
real = module.SnapshotWriter.events
def slow(self, database):
    real(self, database)
    print("written", flush=True)
    time.sleep(60)
module.SnapshotWriter.events = slow
ingest(NodeHome(Path({str(home.root)!r})))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        os.kill(child.pid, signal.SIGKILL)
    assert len(NodeStore(home).load()[1].items) == 61
    ingest(home)
    assert len(NodeStore(home).load()[1].items) == 61
    assert len(list(home.store.glob("snapshot-*"))) == 1


def test_without_a_source_the_remedy_names_the_section(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    create_node(home, {})
    with pytest.raises(NoOriginError, match=r"data\.events"):
        ingest(home)


def test_events_beyond_the_retention_period_go_from_source_and_state(tmp_path: Path) -> None:
    home = shop(tmp_path, retention_days=30.0)
    now = time.time()
    old, new = now - 31 * 86_400, now - 29 * 86_400
    write_events(
        home.root,
        [row | {"timestamp": (old if n % 2 else new) + n} for n, row in enumerate(rows())],
    )
    store = NodeStore(home)
    user = store.pseudonym(USERS[0])
    store.append_events(
        [LiveEvent(user=user, item="i1", event="view", time=when) for when in (old, new)]
    )
    report = ingest(home)
    (expired,) = report.of(Kind.EXPIRED)
    assert expired.count == 30
    _, histories = store.load()
    assert len(histories.items) == 31
    assert histories.times.min() > now - 30 * 86_400


def database(home: NodeHome, events: list[dict[str, object]], start: int) -> None:
    with sqlite3.connect(home.root / "shop.db") as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS log (id INTEGER, user_id, item_id, timestamp, event)"
        )
        connection.executemany(
            "INSERT INTO log VALUES (?, :user_id, :item_id, :timestamp, :event)".replace(
                "?", ":id"
            ),
            [row | {"id": start + n} for n, row in enumerate(events)],
        )
    connection.close()


def piecewise(folder: Path) -> NodeHome:
    return shop(folder, events={"url": "sqlite:///shop.db", "table": "log", "watermark": "id"})


def test_piece_by_piece_ends_where_one_reading_of_all_ends(tmp_path: Path) -> None:
    home = piecewise(tmp_path)
    database(home, rows(40), 0)
    assert ingest(home).events.rows_read == 40
    database(home, rows(20, start=40), 40)
    second = ingest(home)
    assert second.events.rows_read == 21  # the row at the border is read again
    assert second.events.rows_kept == 21
    assert not second.of(Kind.DUPLICATE_EVENT)
    pieces = NodeStore(home).load()[1]
    other = shop(tmp_path / "other")
    ingest(other)
    whole = NodeStore(other).load()[1]
    assert np.array_equal(pieces.items, whole.items)
    assert np.array_equal(pieces.times, whole.times)


def test_when_nothing_is_new_the_data_stay(tmp_path: Path) -> None:
    home = piecewise(tmp_path)
    database(home, rows(40), 0)
    ingest(home)
    assert ingest(home).events.rows_read == 1
    assert len(NodeStore(home).load()[1].items) == 40


def test_users_who_opted_out_do_not_come_back_with_the_next_ingestion(tmp_path: Path) -> None:
    home = piecewise(tmp_path)
    database(home, rows(40), 0)
    ingest(home)
    store = NodeStore(home)
    ann = store.pseudonym(USERS[0])
    store.state.erase(bytes.fromhex(ann), 0.0)
    database(home, rows(20, start=40), 40)
    report = ingest(home)
    (dropped,) = report.of(Kind.OPTED_OUT)
    assert dropped.count > 0
    assert not any(example.value for example in dropped.examples)
    snapshot = store.snapshot_or_none()
    assert snapshot is not None
    assert ann not in snapshot.users()[0]


def test_an_ingestion_reads_its_own_node_toml(tmp_path: Path) -> None:
    home = shop(tmp_path)
    config = read_node_config(home, {"ISTHMUS_NODE__NAME": "other"})
    report = NodeIngestion.of(home, config.name, config.data).run(NodeStore(home))
    assert report.platform == "other"
