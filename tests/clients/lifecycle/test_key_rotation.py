"""A new key: everybody in the source is found again, opt-outs hold, interruptions are harmless."""

from pathlib import Path

import pytest

import clients.lifecycle.key_rotation as module
from clients.data.errors import TooManyRejectedError
from clients.data.store import LiveEvent, NodeStore
from clients.data.store_errors import OtherKeyError, ServedError, StoreBusyError
from clients.home import NodeHome
from clients.lifecycle.erasure import forget
from clients.lifecycle.key_rotation import LostOptOutsError, Rotation, rotate_key
from clients.node_config import read_node_config
from tests.clients.small_shop import USERS, T, ingest, rows, shop, write_events


def rotate(home: NodeHome, **options: bool) -> Rotation:
    return rotate_key(home, NodeStore(home), read_node_config(home, {}), **options)


def with_data(folder: Path) -> tuple[NodeHome, str]:
    """Ann (of the source) has a live event, Ben has opted out; returns Ann's old pseudonym."""
    home = shop(folder)
    ingest(home)
    store = NodeStore(home)
    ann = store.pseudonym(USERS[0])
    store.append_events([LiveEvent(user=ann, item="i6", event="like", time=T + 700.0)])
    forget(home, store, store.pseudonym(USERS[1]))
    return home, ann


def check(home: NodeHome, former: str) -> None:
    store = NodeStore(home)
    ann, ben = store.pseudonym(USERS[0]), store.pseudonym(USERS[1])
    _, histories = store.load()
    assert ann != former
    assert former not in histories.users
    assert histories.items_of(histories.users.index(ann))[-1] == 6
    assert store.has_opted_out(ben)
    assert ben not in histories.users
    assert len(histories.items) == 51


def test_live_data_and_opt_outs_follow_their_users(tmp_path: Path) -> None:
    home, former = with_data(tmp_path)
    key = home.pseudonym_key.read_bytes()
    done = rotate(home)
    assert (done.users, done.moved, done.dropped) == (6, 2, 0)
    assert home.pseudonym_key.read_bytes() != key
    assert home.pseudonym_key.stat().st_mode & 0o777 == 0o600
    check(home, former)


def test_an_opt_out_that_would_be_lost_stops_it_and_nothing_has_changed(tmp_path: Path) -> None:
    home, _ = with_data(tmp_path)
    key = home.pseudonym_key.read_bytes()
    write_events(home.root, [row for row in rows() if row["user_id"] != USERS[1]])
    with pytest.raises(LostOptOutsError, match="1 opt-out"):
        rotate(home)
    assert home.pseudonym_key.read_bytes() == key
    assert len(NodeStore(home).load()[1].items) == 51
    assert rotate(home, drop_unmatched=True).dropped == 1


def test_a_source_that_is_rejected_leaves_the_old_key_in_use(tmp_path: Path) -> None:
    home, _ = with_data(tmp_path)
    write_events(home.root, [row | {"event": "?"} for row in rows()])
    with pytest.raises(TooManyRejectedError):
        rotate(home)
    assert len(NodeStore(home).load()[1].items) == 51


@pytest.mark.parametrize("step", ["rename", "replace"])
def test_an_interrupted_rotation_locks_the_store_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    home, former = with_data(tmp_path)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr("clients.data.state.NodeState.rename", killed)
        else:
            patch.setattr(module, "next_key_file", _after_the_key(killed))
        with pytest.raises(KeyboardInterrupt):
            rotate(home)
    for use in (lambda: NodeStore(home).load(), lambda: ingest(home)):
        with pytest.raises(OtherKeyError, match="rotate-key"):
            use()
    rotate(home)
    check(home, former)


def test_a_service_keeps_the_key_from_being_changed_and_the_other_way_round(tmp_path: Path) -> None:
    home, former = with_data(tmp_path)
    key = home.pseudonym_key.read_bytes()
    with NodeStore(home).served(), NodeStore(home).served():
        with pytest.raises(ServedError, match="serve is running"):
            rotate(home)
        ingest(home)
    assert home.pseudonym_key.read_bytes() == key
    with (
        NodeStore(home).unserved(),
        pytest.raises(StoreBusyError, match="key is being changed"),
        NodeStore(home).served(),
    ):
        pass
    rotate(home)
    check(home, former)


def _after_the_key(killed: object) -> object:
    """`next_key_file`, whose path cannot be moved."""

    class Fixed(type(Path())):  # type: ignore[misc]
        replace = killed

    return lambda home: Fixed(home.pseudonym_key.with_name("pseudonym.key.next"))
