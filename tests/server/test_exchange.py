"""One stage: every node's answer, error or silence is filed under that node."""

from __future__ import annotations

import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from server.exchange import exchange
from shared.wire import START, Parcel
from simulations.grid import LocalGrid


def _echo_app() -> ClientApp:
    app = ClientApp()

    @app.train("start")
    def start(message: Message, context: Context) -> Message:
        if context.node_id == 13:
            raise ValueError("user-4711")
        parcel = Parcel.from_record(message.content)
        body = parcel.body + bytes([context.node_id])
        return Message(Parcel(body).to_record(), reply_to=message)

    return app


def test_each_reply_is_filed_under_its_node() -> None:
    grid = LocalGrid(_echo_app(), {1: {}, 2: {}})
    replies = exchange(grid, START, {1: Parcel(b"a"), 2: Parcel(b"b")}, group="1", deadline=5)
    assert {node: p.body for node, p in replies.parcels.items()} == {1: b"a\1", 2: b"b\2"}
    assert (replies.bytes_down, replies.bytes_up) == (2, 4)


def test_a_node_that_raises_is_a_failure_of_that_node_alone() -> None:
    grid = LocalGrid(_echo_app(), {1: {}, 13: {}})
    replies = exchange(grid, START, {1: Parcel(b""), 13: Parcel(b"")}, group="1", deadline=5)
    assert set(replies.parcels) == {1}
    assert set(replies.failures) == {13}


def test_a_silent_node_is_reported_after_the_deadline() -> None:
    grid = LocalGrid(_echo_app(), {1: {}, 2: {}}, fault=lambda n, m: None if n == 2 else m)
    replies = exchange(grid, START, {1: Parcel(b""), 2: Parcel(b"")}, group="1", deadline=0.3)
    assert replies.failures == {2: "silent"}


def test_a_malformed_reply_is_a_failure_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    app = ClientApp()

    @app.train("start")
    def start(message: Message, context: Context) -> Message:
        record = Parcel(b"").to_record()
        record["body"]["more"] = 1
        return Message(record, reply_to=message)

    replies = exchange(LocalGrid(app, {1: {}}), START, {1: Parcel(b"")}, group="1", deadline=5)
    assert replies.failures == {1: "FED-010"}
