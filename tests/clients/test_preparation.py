"""What a node trains on follows its store: new data come in, and who opted out is gone."""

from __future__ import annotations

import stat
from pathlib import Path

from clients.data.store import NodeStore
from clients.home import NodeHome
from clients.node_data import TrainingData
from clients.preparation import refresh_training
from tests.clients.small_shop import USERS, ingest, shop


def _shop(tmp_path: Path) -> NodeHome:
    home = shop(tmp_path)
    text = home.config.read_text()
    home.config.write_text(text.replace('"use-multilingual"', '"hashed-words"'))
    ingest(home)
    return home


def test_training_data_come_from_the_store(tmp_path: Path) -> None:
    home = _shop(tmp_path)
    assert refresh_training(home)
    data = TrainingData.load(home.training)
    catalogue, histories = NodeStore(home).load()
    assert len(data.histories) == len(histories)
    assert data.vectors.shape == (len(catalogue), 512)
    assert stat.S_IMODE(home.training.stat().st_mode) == 0o600
    raw = home.training.read_bytes()
    assert not any(user.encode() in raw for user in USERS)


def test_nothing_is_done_while_nothing_has_changed(tmp_path: Path) -> None:
    home = _shop(tmp_path)
    assert refresh_training(home)
    before = home.training.stat().st_mtime_ns
    assert not refresh_training(home)
    assert home.training.stat().st_mtime_ns == before


def test_who_opted_out_is_gone_before_the_next_round(tmp_path: Path) -> None:
    home = _shop(tmp_path)
    refresh_training(home)
    users = len(TrainingData.load(home.training).histories)
    store = NodeStore(home)
    store.state.erase(bytes.fromhex(store.pseudonym(USERS[0])), 0.0)
    assert refresh_training(home)
    assert len(TrainingData.load(home.training).histories) == users - 1


def test_a_node_without_a_store_is_left_alone(tmp_path: Path) -> None:
    assert not refresh_training(NodeHome(tmp_path))
    assert not list(tmp_path.iterdir())
