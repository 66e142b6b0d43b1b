"""The store: what was ingested comes back, live data join it, whoever opted out is not there."""

from pathlib import Path

import pytest

from clients.data.pseudonyms import PseudonymKey
from clients.data.store import LiveEvent, NodeStore, Reaction
from clients.data.store_errors import (
    DamagedSnapshotError,
    LiveRowError,
    NoSnapshotError,
    OtherKeyError,
    StoreBusyError,
)
from tests.clients.small_shop import USERS, T, ingest, shop


def test_before_the_first_ingestion_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(NoSnapshotError, match="ingest"):
        NodeStore(shop(tmp_path)).load()


def test_live_events_join_their_user_s_history_under_the_same_pseudonym(tmp_path: Path) -> None:
    home = shop(tmp_path)
    ingest(home)
    store = NodeStore(home)
    ann = store.pseudonym(f" {USERS[0]} ")
    assert store.append_events([LiveEvent(user=ann, item="i6", event="cart", time=T + 999.0)]) == 1
    _, histories = NodeStore(home).load()
    mine = histories.items_of(histories.users.index(ann))
    assert len(histories.items) == 61
    assert mine[-1] == 6


def test_reactions_come_back_in_order(tmp_path: Path) -> None:
    store = NodeStore(shop(tmp_path))
    ann = store.pseudonym(USERS[0])
    given = [Reaction(user=ann, item="i1", kind=k, time=5.0) for k in ("shown", "liked")]
    store.append_feedback(given)
    assert store.feedback(ann) == given
    assert store.feedback(store.pseudonym(USERS[1])) == []


def test_users_who_opted_out_are_in_no_history_and_their_events_are_dropped(
    tmp_path: Path,
) -> None:
    home = shop(tmp_path)
    ingest(home)
    store = NodeStore(home)
    ann = store.pseudonym(USERS[0])
    store.state.erase(bytes.fromhex(ann), 0.0)
    assert store.append_events([LiveEvent(user=ann, item="i1", event="view", time=1.0)]) == 0
    assert store.append_feedback([Reaction(user=ann, item="i1", kind="liked", time=1.0)]) == 0
    assert ann not in store.load()[1].users
    assert store.has_opted_out(ann)


@pytest.mark.parametrize(
    "change",
    [{"user": "ann@example.org"}, {"item": ""}, {"event": "stare"}, {"time": float("nan")}],
    ids=["raw id", "no item", "unknown event", "no time"],
)
def test_a_live_event_outside_the_contract_is_refused_without_its_user(
    tmp_path: Path, change: dict[str, object]
) -> None:
    store = NodeStore(shop(tmp_path))
    good = {"user": "61" * 16, "item": "i1", "event": "view", "time": 1.0}
    with pytest.raises(LiveRowError) as caught:
        store.append_events([LiveEvent(**(good | change))])  # type: ignore[arg-type]
    assert "ann@" not in str(caught.value)


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    home = shop(tmp_path)
    ingest(home)
    (file,) = home.store.glob("snapshot-*/events.parquet")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with pytest.raises(DamagedSnapshotError):
        NodeStore(home).load()


def test_another_key_cannot_be_mixed_with_the_data(tmp_path: Path) -> None:
    home = shop(tmp_path)
    ingest(home)
    home.pseudonym_key.unlink()
    PseudonymKey.generate().save(home.pseudonym_key)
    with pytest.raises(OtherKeyError):
        NodeStore(home).load()


def test_two_commands_do_not_change_it_at_once(tmp_path: Path) -> None:
    home = shop(tmp_path)
    with NodeStore(home).changing(), pytest.raises(StoreBusyError), NodeStore(home).changing():
        pass
