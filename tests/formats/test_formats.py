"""Files that an earlier version wrote are read, and files of a later format are refused by name."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from clients.approvals import Approvals
from clients.bundle import load_bundle
from clients.data.state import NodeState
from clients.policy import NodePolicy
from clients.receipts import ForeignReceiptLogError, ReceiptLog, Sent, check_signatures
from server.app import load_plan
from server.attempts import Attempts
from server.checkpoint import Checkpoints, UnsignedCheckpointError
from server.home import CoordinatorHome
from server.journal import Journal, JournalError
from server.partners import read_partners
from server.run_state import read_current
from shared.config import parse
from shared.documents import check_signature, read_document
from shared.errors import ConfigError
from shared.files import read_json, write_json
from shared.hashing import digest
from shared.optimiser import ServerState
from shared.plan import read_plan
from shared.privacy.errors import LedgerMismatchError
from shared.privacy.ledger import Ledger
from shared.release_card import ReleaseCard, Withdrawal
from shared.wire import MASK
from tests.clients.small_node import catalogue_of
from tests.clients.training.worlds import cyclic_platform
from tests.formats.make import LIFETIME, USER
from tests.plans import KEY, identity, public

VERSIONS = sorted(p for p in Path(__file__).parent.iterdir() if (p / "plan.json").exists())


@pytest.fixture(params=VERSIONS, ids=lambda p: p.name)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / "files"))


def test_there_are_files_of_every_version() -> None:
    assert [p.name for p in VERSIONS] == ["0.1.0"]


def test_a_ledger_goes_on(folder: Path) -> None:
    ledger = Ledger(folder / "ledger.jsonl", node="alpha", lifetime=LIFETIME)
    (spend,) = ledger.spends()
    assert spend.update is not None
    assert 0 < ledger.spent() < 1


def test_a_receipt_log_goes_on(folder: Path) -> None:
    log = ReceiptLog(folder / "receipts.jsonl", identity(1))
    log.record(Sent(run="", round=0, attempt=0, stage="train.start", size=7, sha256="00" * 32))
    assert len(log.entries()) == 3
    assert check_signatures(log.entries()) is None


def test_a_plan_is_read_with_its_signature(folder: Path) -> None:
    data, signature = (folder / "plan.json").read_bytes(), (folder / "plan.sig").read_bytes()
    assert read_plan(data, signature, public(KEY)).canonical() == data


def test_an_approval_still_holds(folder: Path) -> None:
    approvals = Approvals(folder / "approvals")
    approvals.require(approvals.known()[0].plan, "by-hand")


def test_documents_are_read_with_their_signatures(folder: Path) -> None:
    (card,) = folder.glob("release*.json")
    check_signature(read_document(ReleaseCard, card), public(KEY))
    check_signature(read_document(Withdrawal, folder / "withdrawal.json"), public(KEY))


def test_a_release_card_of_the_first_version_carries_nothing_of_the_second(folder: Path) -> None:
    values = json.loads((folder / "release.json").read_bytes())
    assert values["version"] == 1
    (folder / "release.json").write_text(json.dumps({**values, "code": "00" * 32}))
    with pytest.raises(ConfigError, match="version 1 has no code"):
        read_document(ReleaseCard, folder / "release.json")


def test_a_policy_is_read(folder: Path) -> None:
    values = json.loads((folder / "policy.json").read_bytes())
    assert parse(NodePolicy, values, where="policy").coordinator == public(KEY).hex()


def test_a_bundle_still_ranks(folder: Path) -> None:
    bundle = load_bundle(folder / "bundle", identity(1).public_key(), catalogue_of())
    assert set(bundle.parts()) == set(bundle.manifest.fusion.weights)
    scores = bundle.fusion().scores(cyclic_platform(users=1))[0]
    assert np.argmax(scores) == 3  # the next one in the order of everybody


def test_a_bundle_from_before_releases_stood_beside_the_own_model_keeps_its_content_model() -> None:
    path = Path(__file__).parent / "0.1.0" / "bundle"
    bundle = load_bundle(path, identity(1).public_key(), catalogue_of())
    assert bundle.released is None
    assert bundle.content is not None
    assert bundle.content.draws == 0


def test_live_data_of_a_node_go_on(folder: Path) -> None:
    with closing(NodeState(folder / "state.db")) as live:
        live.insert_events([(USER, "i2", 0, 2e9)])
        assert [row[1] for row in live.events(USER)] == ["i1", "i2"]
        assert [row[2] for row in live.feedback(USER)] == ["liked"]
        assert live.opted_out() == {b"b" * 16}


def test_a_coordinator_goes_on_with_its_partners_and_its_run(folder: Path) -> None:
    home = CoordinatorHome(folder / "coordinator")
    (partner,) = read_partners(home).active()
    assert (partner.name, partner.protocols) == ("alpha", (1,))
    state = read_current(home)
    assert state is not None
    assert (state.state, state.flower_run) == ("running", 7)
    directory = home.run(state.run_id)
    plan, _ = load_plan(directory)
    checkpoints = Checkpoints(directory / "checkpoints", plan.digest(), KEY)
    with pytest.raises(UnsignedCheckpointError):
        checkpoints.load(0)  # written before checkpoints were signed
    assert checkpoints.sign_unsigned() == 1
    model = checkpoints.load(0).model
    np.testing.assert_array_equal(model, ServerState.start(plan).model)
    assert Attempts(directory / "attempts.json").last(1) == 0
    replies = Journal(directory / "journal").load(1, 0, MASK)
    assert replies is not None
    assert replies.parcels[5].body == b"upload"
    assert replies.failures == {6: "FED-210"}


def test_a_checkpoint_of_a_later_format_is_refused(folder: Path) -> None:
    directory = _run(folder)
    plan, _ = load_plan(directory)
    checkpoints = Checkpoints(directory / "checkpoints", plan.digest(), KEY)
    checkpoints.sign_unsigned()
    path = checkpoints.manifest_path(0)
    write_json(path, {**read_json(path), "format": 3})
    with pytest.raises(ConfigError, match="format"):
        checkpoints.load(0)


def test_a_journal_of_a_later_format_is_refused(folder: Path) -> None:
    directory = _run(folder)
    _of_format_2(directory / "journal" / "00001-00000-train.mask.safetensors")
    journal = Journal(directory / "journal")
    with pytest.raises(JournalError, match="format '2', here 1"):
        journal.load(1, 0, MASK)


def _run(folder: Path) -> Path:
    home = CoordinatorHome(folder / "coordinator")
    state = read_current(home)
    assert state is not None
    return home.run(state.run_id)


def _of_format_2(path: Path) -> None:
    with safe_open(path, framework="numpy") as file:
        facts = {**file.metadata(), "format": "2"}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata=facts)


def test_a_register_of_a_later_format_is_refused(folder: Path) -> None:
    home = CoordinatorHome(folder / "coordinator")
    write_json(home.partners, {**read_json(home.partners), "version": 2})
    with pytest.raises(ConfigError, match="version"):
        read_partners(home)


def test_a_ledger_of_a_later_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.privacy.ledger._FORMAT", 2)
    Ledger(tmp_path / "ledger.jsonl", node="alpha", lifetime=LIFETIME)
    monkeypatch.undo()
    with pytest.raises(LedgerMismatchError, match="format = 2"):
        Ledger(tmp_path / "ledger.jsonl", node="alpha", lifetime=LIFETIME)


def test_a_receipt_log_of_a_later_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Sent(run="", round=0, attempt=0, stage="train.start", size=7, sha256="00" * 32)
    monkeypatch.setattr("clients.receipts.FORMAT", 2)
    ReceiptLog(tmp_path / "log.jsonl", identity(1)).record(sent)
    monkeypatch.undo()
    with pytest.raises(ForeignReceiptLogError, match="format = 2"):
        ReceiptLog(tmp_path / "log.jsonl", identity(1)).record(sent)


def test_a_plan_of_a_later_version_is_refused(folder: Path) -> None:
    values = {**json.loads((folder / "plan.json").read_bytes()), "version": 2}
    data = json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(ConfigError, match="version"):
        read_plan(data, KEY.sign(digest("isthmus plan 1", data)), public(KEY))


def test_a_document_of_a_later_version_is_refused(folder: Path) -> None:
    values = {**json.loads((folder / "release.json").read_bytes()), "version": 4}
    (folder / "release.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match="version"):
        read_document(ReleaseCard, folder / "release.json")
