"""Nothing leaves a node without a signed line in its log, and the log cannot be rewritten."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.receipts import (
    ForeignReceiptLogError,
    ReceiptLog,
    ReceiptLogError,
    Sent,
    check_signatures,
)
from shared.plan import LocalSteps, PrivacyTerms
from shared.wire import MASK, STAGES, START, Parcel
from tests.federation import MODEL, Federation
from tests.plans import identity, make_plan

SENT = Sent(run="0f" * 16, round=1, attempt=1, stage=START, size=3, sha256="ab" * 32)


@pytest.fixture
def log(tmp_path: Path) -> ReceiptLog:
    return ReceiptLog(tmp_path / "receipts.jsonl", identity(1))


def _federation(tmp_path: Path, **changes: object) -> Federation:
    plan = make_plan(
        rounds=2,
        privacy=PrivacyTerms(epsilon=1.0),
        model=MODEL,
        local=LocalSteps(steps=2, batch_users=16),
    )
    return Federation(plan, tmp_path, **changes)  # type: ignore[arg-type]


def test_a_receipt_says_what_when_and_at_which_cost(log: ReceiptLog) -> None:
    log.record(replace(SENT, epsilon=1.25))
    opening, line = log.entries()
    assert opening["kind"] == "open"
    assert (line["stage"], line["bytes"], line["epsilon"]) == (START, 3, 1.25)


def test_a_message_without_a_charge_carries_the_cost_so_far(log: ReceiptLog) -> None:
    log.record(replace(SENT, epsilon=1.25))
    log.record(replace(SENT, round=2))
    assert log.entries()[-1]["epsilon"] == 1.25


def test_the_same_message_sent_again_is_recorded_as_such(log: ReceiptLog) -> None:
    log.record(SENT)
    log.record(replace(SENT, attempt=2))
    log.record(SENT)
    assert [entry["again"] for entry in log.entries()[1:]] == [False, False, True]


def test_two_processes_write_one_chain(log: ReceiptLog) -> None:
    other = ReceiptLog(log.path, identity(1))
    for number in range(1, 4):
        log.record(replace(SENT, round=number))
        other.record(replace(SENT, round=number, stage=MASK))
    assert [entry["seq"] for entry in log.entries()] == list(range(7))
    assert check_signatures(log.entries()) is None


def test_a_log_of_another_identity_is_refused(log: ReceiptLog) -> None:
    log.record(SENT)
    with pytest.raises(ForeignReceiptLogError):
        ReceiptLog(log.path, identity(2)).record(SENT)


def test_whole_lines_cut_from_the_end_are_noticed(log: ReceiptLog) -> None:
    log.record(SENT)
    log.record(SENT)
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ReceiptLogError):
        ReceiptLog(log.path, identity(1)).record(SENT)


@settings(max_examples=20)
@given(st.integers(1, 400))
def test_a_torn_last_line_is_dropped_and_the_chain_goes_on(cut: int) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        log = ReceiptLog(Path(folder) / "receipts.jsonl", identity(1))
        log.record(SENT)
        whole = log.path.read_bytes()
        head = log.path.with_name("receipts.jsonl.head").read_bytes()
        log.record(SENT)
        # Killed while the second receipt was being written: its head was not there yet.
        log.path.write_bytes(
            log.path.read_bytes()[: min(len(whole) + cut, log.path.stat().st_size - 1)]
        )
        log.path.with_name("receipts.jsonl.head").write_bytes(head)
        again = ReceiptLog(log.path, identity(1))
        again.record(replace(SENT, round=2))
        assert [entry.get("round") for entry in again.entries()] == [None, 1, 2]
        assert check_signatures(again.entries()) is None


@settings(max_examples=30)
@given(st.integers(0), st.integers(0, 7))
def test_every_flipped_bit_is_noticed(place: int, bit: int) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        log = ReceiptLog(Path(folder) / "receipts.jsonl", identity(1))
        log.record(SENT)
        log.record(replace(SENT, round=2))
        data = bytearray(log.path.read_bytes())
        before = [json.loads(line) for line in bytes(data).splitlines()]
        data[place % (len(data) - 1)] ^= 1 << bit
        log.path.write_bytes(data)
        try:
            entries = ReceiptLog(log.path, identity(1)).entries()
        except ReceiptLogError:
            return
        assert check_signatures(entries) or list(entries) == before


def test_every_reply_of_a_run_has_its_receipt(tmp_path: Path) -> None:
    federation = _federation(tmp_path)
    replies: list[str] = []
    pull = federation.grid.pull_messages

    def pull_and_look(ids):  # type: ignore[no-untyped-def]
        messages = list(pull(ids))
        replies.extend(Parcel.from_record(m.content).digest() for m in messages)
        return messages

    federation.grid.pull_messages = pull_and_look  # type: ignore[method-assign]
    federation.run()
    recorded: list[str] = []
    for number, node in federation.nodes.items():
        entries = ReceiptLog(node.home.receipts, node.identity).entries()
        assert check_signatures(entries) is None, number
        recorded += [entry["sha256"] for entry in entries[1:]]
        assert {entry["stage"] for entry in entries[1:]} <= set(STAGES)
        assert entries[-1]["epsilon"] == pytest.approx(node.ledger().spent())
    assert sorted(recorded) == sorted(replies)


def test_a_node_whose_log_cannot_be_written_sends_nothing(tmp_path: Path) -> None:
    """N11 for receipts: here the log's place is taken by a directory."""
    federation = _federation(tmp_path)
    for node in federation.nodes.values():
        node.home.receipts.mkdir(parents=True)
    replies: list[object] = []
    pull = federation.grid.pull_messages

    def pull_and_look(ids):  # type: ignore[no-untyped-def]
        messages = list(pull(ids))
        replies.extend(m.error.reason if m.has_error() else "content" for m in messages)
        return messages

    federation.grid.pull_messages = pull_and_look  # type: ignore[method-assign]
    with pytest.raises(Exception, match="FED-200"):
        federation.run()
    assert set(replies) == {"FED-200"}


def test_a_refusal_is_recorded_with_its_code(tmp_path: Path) -> None:
    federation = _federation(tmp_path, max_rounds=1)
    with pytest.raises(Exception, match="FED-030"):
        federation.run()
    node = federation.nodes[1]
    entries = ReceiptLog(node.home.receipts, node.identity).entries()
    assert {entry["refusal"] for entry in entries[1:]} == {"FED-030"}


def test_the_log_is_readable_by_its_owner_alone(log: ReceiptLog) -> None:
    log.record(SENT)
    assert os.stat(log.path).st_mode & 0o077 == 0
