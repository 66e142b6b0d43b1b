"""The doctor names what is wrong, with code and remedy, whatever else is, and changes nothing."""

import re
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

import clients.lifecycle.doctor as module
from clients.data.store import next_key_file
from clients.home import NodeHome
from clients.lifecycle.doctor import Doctor
from clients.lifecycle.findings import Finding, exit_code
from clients.network_home import NetworkHome
from clients.node_config import read_node_config
from tests.clients.small_shop import ingest, shop, write_events


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """The light encoder, so that no test hashes the weights of the large one."""
    monkeypatch.setenv("ISTHMUS_NODE__ENCODER__NAME", "hashed-words")


def findings(home: NodeHome, now: float | None = None) -> dict[str, Finding]:
    config = read_node_config(home)
    doctor = Doctor(home=home, config=config, now=now or time.time())
    return {finding.check: finding for finding in doctor.examine()}


def problems(found: dict[str, Finding]) -> dict[str, str]:
    return {f.check: f.code for f in found.values() if f.severity in ("warning", "error")}


def test_a_node_with_data_is_well_and_unchanged(tmp_path: Path) -> None:
    home = shop(tmp_path)
    ingest(home)
    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*.parquet")}
    found = findings(home)
    assert problems(found) == {}
    assert exit_code([*found.values()]) == 0
    assert {path: path.stat().st_mtime_ns for path in home.root.rglob("*.parquet")} == before
    assert found["certificate"].severity == "skipped"


def test_a_new_node_is_told_to_ingest(tmp_path: Path) -> None:
    found = findings(shop(tmp_path))
    assert problems(found) == {"store": "CFG-118"}
    assert found["store"].remedy == "isthmus-node ingest"
    assert exit_code([*found.values()]) == 1


def test_one_trouble_hides_no_other(tmp_path: Path) -> None:
    home = shop(tmp_path)
    home.identity.unlink()
    home.pseudonym_key.chmod(0o644)
    (home.root / "events.jsonl").unlink()
    found = findings(home)
    assert {"identity", "pseudonym key", "sources", "file modes"} <= set(problems(found))
    assert exit_code([*found.values()]) == 2
    assert all(f.code and f.remedy for f in found.values() if f.check == "file modes")


@pytest.mark.parametrize(
    "name", ["policy.json", "ledger.jsonl.head", "approvals/plan.json", "network/executor.secret"]
)
def test_what_others_could_read_or_change_is_named(tmp_path: Path, name: str) -> None:
    home = shop(tmp_path)
    path = home.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    path.chmod(0o600)
    assert "file modes" not in problems(findings(home))
    path.chmod(0o620)
    found = findings(home)["file modes"]
    assert found.code == "CFG-113"
    assert re.search(rf"open 1 of \d+ private files \({path}\)$", found.text)


def test_a_column_that_the_mapping_names_and_the_source_lacks(tmp_path: Path) -> None:
    home = shop(tmp_path)
    write_events(home.root, [{"user": "a", "item_id": "b", "timestamp": 1, "event": "view"}])
    found = findings(home)["sources"]
    assert found.code == "DATA-005"
    assert "user" in found.remedy


def test_a_clock_that_runs_behind_the_node_s_own_files(tmp_path: Path) -> None:
    home = shop(tmp_path)
    assert problems(findings(home, now=time.time() - 86_400))["clock"] == "CFG-111"


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = shop(tmp_path)
    monkeypatch.setattr(module, "LEAST_FREE", 2**80)
    found = findings(home)["disk"]
    assert (found.code, found.severity) == ("CFG-112", "warning")


def test_an_encoder_that_is_not_the_demanded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_NODE__ENCODER__FINGERPRINT", "0" * 64)
    found = findings(shop(tmp_path))["encoder"]
    assert found.severity == "error"
    assert found.code.startswith("MODEL-")


def test_an_unfinished_change_of_keys(tmp_path: Path) -> None:
    home = shop(tmp_path)
    next_key_file(home).write_text("")
    assert "rotate-key" in findings(home)["pseudonym key"].remedy


def test_an_endpoint_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        monkeypatch.setenv("ISTHMUS_NODE__TEXT__BACKEND", "endpoint")
        monkeypatch.setenv("ISTHMUS_NODE__TEXT__ENDPOINT__URL", f"http://127.0.0.1:{port}/v1")
        found = findings(shop(tmp_path))["text model"]
        assert (found.code, found.text) == ("CFG-119", f"127.0.0.1:{port}: connection refused")


@pytest.mark.parametrize(
    ("days", "code"),
    [(90, ""), (5, "CFG-115"), (-1, "CFG-114")],
    ids=["long", "ending", "ended"],
)
def test_the_certificate_s_end(tmp_path: Path, days: int, code: str) -> None:
    home = shop(tmp_path)
    network = NetworkHome.of(home)
    network.root.mkdir()
    network.certificate.write_bytes(certificate(days))
    assert findings(home)["certificate"].code == code


def certificate(days: int) -> bytes:
    """Self-signed, valid from last year for `days` from now."""
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=365))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, None)
    )
    return built.public_bytes(Encoding.PEM)


def test_the_device_that_training_will_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = shop(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert findings(home)["processor"].text.startswith("CPU, ")
    monkeypatch.setenv("ISTHMUS_NODE__TRAINING__DEVICE", "cuda")
    found = findings(home)["processor"]
    assert (found.severity, found.code) == ("error", "CFG-105")
    assert "[training]" in found.remedy
