"""An erased user is nowhere on the node's disk, does not come back, and the receipt proves it."""

import json
from pathlib import Path

import pytest

from clients.data.store import LiveEvent, NodeStore, Reaction
from clients.home import NodeHome
from clients.lifecycle.erasure import ErasureReceiptError, forget, verify_receipt
from shared.keyfile import load_identity, public_bytes
from tests.clients.small_shop import USERS, T, ingest, shop


def with_live_data(folder: Path) -> tuple[NodeHome, NodeStore, str]:
    home = shop(folder)
    ingest(home)
    store = NodeStore(home)
    ann = store.pseudonym(USERS[0])
    store.append_events([LiveEvent(user=ann, item="i5", event="like", time=T + 700.0)])
    store.append_feedback([Reaction(user=ann, item="i5", kind="liked", time=T + 701.0)])
    return home, store, ann


def test_nothing_of_the_user_is_left_but_the_opt_out_and_the_receipt(tmp_path: Path) -> None:
    home, store, ann = with_live_data(tmp_path)
    home.training.write_bytes(b"histories")
    home.local_training.mkdir()
    (home.local_training / "personal.safetensors").write_bytes(b"weights")
    receipt, path = forget(home, store, ann)
    assert receipt["removed"] == {"stored_events": 10, "live_events": 1, "live_feedback": 1}
    assert receipt["training_files"] == ["training.safetensors", "training"]
    assert not home.training.exists()
    assert not home.local_training.exists()
    naming = [
        file.name
        for file in home.root.rglob("*")
        if file.is_file()
        and (ann.encode() in (raw := file.read_bytes()) or bytes.fromhex(ann) in raw)
    ]
    assert sorted(naming) == sorted([path.name, "state.db"])
    assert USERS[0].encode() not in path.read_bytes()
    _, histories = NodeStore(home).load()
    assert ann not in histories.users
    assert len(histories.items) == 50


def test_the_others_keep_their_histories_to_the_letter(tmp_path: Path) -> None:
    home, store, ann = with_live_data(tmp_path)
    catalogue, before = store.load()
    forget(home, store, ann)
    same, after = store.load()
    rest = before.take([row for row, name in enumerate(before.users) if name != ann])
    assert same == catalogue
    assert after.users == rest.users
    assert after.items.tolist() == rest.items.tolist()
    assert after.times.tolist() == rest.times.tolist()


def test_the_next_ingestion_does_not_bring_the_user_back(tmp_path: Path) -> None:
    home, store, ann = with_live_data(tmp_path)
    forget(home, store, ann)
    ingest(home)
    snapshot = store.snapshot_or_none()
    assert snapshot is not None
    assert ann not in snapshot.users()[0]


def test_forgetting_twice_or_somebody_unknown_is_no_error(tmp_path: Path) -> None:
    home, store, ann = with_live_data(tmp_path)
    forget(home, store, ann)
    again, _ = forget(home, store, ann)
    stranger, _ = forget(home, store, store.pseudonym("nobody"))
    assert set(again["removed"].values()) == set(stranger["removed"].values()) == {0}


def test_before_the_first_ingestion_the_opt_out_counts_already(tmp_path: Path) -> None:
    home = shop(tmp_path)
    store = NodeStore(home)
    ann = store.pseudonym(USERS[0])
    forget(home, store, ann)
    ingest(home)
    assert ann not in store.load()[1].users


def test_an_interrupted_erasure_has_the_user_out_of_every_batch_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, store, ann = with_live_data(tmp_path)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("clients.lifecycle.erasure.remove_users", fails)
        with pytest.raises(OSError, match="No space"):
            forget(home, store, ann)
    assert ann not in NodeStore(home).load()[1].users
    receipt, _ = forget(home, store, ann)
    assert receipt["removed"]["stored_events"] == 10


def test_a_receipt_is_checked_without_the_node(tmp_path: Path) -> None:
    home, store, ann = with_live_data(tmp_path)
    _, path = forget(home, store, ann)
    node = public_bytes(load_identity(home.identity))
    assert verify_receipt(path, node)["pseudonym"] == ann
    with pytest.raises(ErasureReceiptError, match="another node"):
        verify_receipt(path, bytes(32))


@pytest.mark.parametrize("change", [{"pseudonym": "00" * 16}, {"extra": 1}, {"signature": "zz"}])
def test_a_changed_receipt_proves_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    home, store, ann = with_live_data(tmp_path)
    receipt, path = forget(home, store, ann)
    path.write_text(json.dumps(receipt | change))
    with pytest.raises(ErasureReceiptError):
        verify_receipt(path)
