"""Files that an earlier version wrote are read, and files of a later format are refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from clients.approvals import Approvals
from clients.policy import NodePolicy
from clients.receipts import ForeignReceiptLogError, ReceiptLog, Sent, check_signatures
from shared.config import parse
from shared.documents import check_signature, read_document
from shared.errors import ConfigError
from shared.hashing import digest
from shared.plan import read_plan
from shared.privacy.errors import LedgerMismatchError
from shared.privacy.ledger import Ledger
from shared.release_card import ReleaseCard, Withdrawal
from tests.formats.make import LIFETIME
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
    check_signature(read_document(ReleaseCard, folder / "release.json"), public(KEY))
    check_signature(read_document(Withdrawal, folder / "withdrawal.json"), public(KEY))


def test_a_policy_is_read(folder: Path) -> None:
    values = json.loads((folder / "policy.json").read_bytes())
    assert parse(NodePolicy, values, where="policy").coordinator == public(KEY).hex()


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
    values = {**json.loads((folder / "release.json").read_bytes()), "version": 2}
    (folder / "release.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match="version"):
        read_document(ReleaseCard, folder / "release.json")
