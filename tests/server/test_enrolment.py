"""Joining: keys stay where they were made, and only what people compared is trusted."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.enrolment import accept_admission, accept_invitation, pin, renew
from clients.home import NodeHome
from clients.network_home import NetworkHome
from clients.policy import NotJoinedError
from server.authority import read_authority
from server.enrolment import CoordinatorExistsError, approve, create_coordinator, invite, revoke
from server.home import CoordinatorHome
from server.partners import IdentityTakenError, UnknownPartnerError, read_partners
from server.settings import read_settings
from shared.documents import DocumentError, check_signature, read_document, signed, write_document
from shared.enrolment import FingerprintMismatchError, Invitation, JoinRequest
from shared.keyfile import load_identity
from shared.protocol import ProtocolMismatchError


@pytest.fixture
def coordinator(tmp_path: Path) -> CoordinatorHome:
    home = CoordinatorHome(tmp_path / "coordinator")
    create_coordinator(home, "films", "localhost:8443", 18000)
    return home


def _ask(coordinator: CoordinatorHome, node: NodeHome, name: str) -> tuple[JoinRequest, Path]:
    invitation, path = invite(coordinator, name)
    return accept_invitation(node, path, invitation.fingerprint(), 100)


def test_everything_secret_is_readable_by_its_owner_alone(coordinator: CoordinatorHome) -> None:
    secrets = (
        coordinator.identity,
        coordinator.authority_key,
        coordinator.server_key,
        coordinator.executor_secret,
        coordinator.settings,
    )
    assert {stat.S_IMODE(p.stat().st_mode) for p in secrets} == {0o600}
    directories = (coordinator.root, coordinator.authority_key.parent, coordinator.link)
    assert {stat.S_IMODE(p.stat().st_mode) for p in directories} == {0o700}


def test_the_settings_that_init_writes_can_be_read(coordinator: CoordinatorHome) -> None:
    settings = read_settings(coordinator)
    assert (settings.federation, settings.host) == ("films", "localhost")


def test_an_authority_is_never_overwritten(coordinator: CoordinatorHome) -> None:
    with pytest.raises(CoordinatorExistsError):
        create_coordinator(coordinator, "films", "localhost:8443", 18000)


def test_a_partner_joins_and_its_keys_never_travel(
    coordinator: CoordinatorHome, tmp_path: Path
) -> None:
    node = NodeHome(tmp_path / "node")
    request, path = _ask(coordinator, node, "shop")
    admission = approve(coordinator, path, request.fingerprint())
    certificate = accept_admission(node, admission)
    certificate.verify_directly_issued_by(read_authority(coordinator))
    network = NetworkHome.of(node)
    for travelled in (path, admission, *coordinator.documents.iterdir(), coordinator.partners):
        assert b"PRIVATE" not in travelled.read_bytes()
    for secret in (network.key, node.identity):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [u._name for u in usage] == ["clientAuth"]


def test_a_wrong_fingerprint_stops_either_side(
    coordinator: CoordinatorHome, tmp_path: Path
) -> None:
    node = NodeHome(tmp_path / "node")
    _, path = invite(coordinator, "shop")
    with pytest.raises(FingerprintMismatchError):
        accept_invitation(node, path, "0000 " * 8, 100)
    assert not node.root.exists()
    _, request = _ask(coordinator, node, "shop")
    with pytest.raises(FingerprintMismatchError, match="do not go on"):
        approve(coordinator, request, "0000 " * 8)
    with pytest.raises(FingerprintMismatchError, match="--fingerprint"):
        approve(coordinator, request, "")
    assert not read_partners(coordinator).partners


def test_a_forged_invitation_has_another_fingerprint(
    coordinator: CoordinatorHome, tmp_path: Path
) -> None:
    invitation, path = invite(coordinator, "shop")
    other = Ed25519PrivateKey.generate()
    forged = invitation.model_copy(
        update={"coordinator": other.public_key().public_bytes_raw().hex()}
    )
    write_document(signed(forged, other), path)
    with pytest.raises(FingerprintMismatchError):
        accept_invitation(NodeHome(tmp_path / "node"), path, invitation.fingerprint(), 100)


def test_an_altered_document_is_refused(coordinator: CoordinatorHome, tmp_path: Path) -> None:
    invitation, path = invite(coordinator, "shop")
    path.write_text(path.read_text().replace("localhost:8443", "attacker:8443"))
    with pytest.raises(DocumentError):
        accept_invitation(NodeHome(tmp_path / "node"), path, invitation.fingerprint(), 100)
    assert check_signature(invitation, bytes.fromhex(invitation.coordinator)) is None


def test_a_name_or_identity_of_another_partner_is_refused(
    coordinator: CoordinatorHome, tmp_path: Path
) -> None:
    first, path = _ask(coordinator, NodeHome(tmp_path / "a"), "shop")
    approve(coordinator, path, first.fingerprint())
    impostor, path = _ask(coordinator, NodeHome(tmp_path / "b"), "shop")
    with pytest.raises(IdentityTakenError):
        approve(coordinator, path, impostor.fingerprint())
    double, path = _ask(coordinator, NodeHome(tmp_path / "a"), "bank")
    with pytest.raises(IdentityTakenError):
        approve(coordinator, path, double.fingerprint())


def test_a_renewal_needs_no_fingerprint_and_brings_a_new_key(
    coordinator: CoordinatorHome, tmp_path: Path
) -> None:
    node = NodeHome(tmp_path / "node")
    request, path = _ask(coordinator, node, "shop")
    first = accept_admission(node, approve(coordinator, path, request.fingerprint()))
    _, path = renew(node)
    second = accept_admission(node, approve(coordinator, path, ""))
    assert first.public_key() != second.public_key()
    partners = read_partners(coordinator)
    assert len(partners.partners) == 1
    assert len(partners.find("shop").certificates) == 2


def test_an_admission_for_another_key_is_refused(
    coordinator: CoordinatorHome, tmp_path: Path
) -> None:
    request, path = _ask(coordinator, NodeHome(tmp_path / "a"), "shop")
    admission = approve(coordinator, path, request.fingerprint())
    other = NodeHome(tmp_path / "b")
    with pytest.raises(NotJoinedError):
        accept_admission(other, admission)
    _ask(coordinator, other, "bank")
    with pytest.raises(DocumentError, match="another key"):
        accept_admission(other, admission)


def test_revoked_partners_are_known_to_nobody(coordinator: CoordinatorHome, tmp_path: Path) -> None:
    request, path = _ask(coordinator, NodeHome(tmp_path / "node"), "shop")
    approve(coordinator, path, request.fingerprint())
    serial = read_partners(coordinator).find("shop").certificates[0].serial
    assert read_partners(coordinator).admitted(serial)
    revoke(coordinator, "shop")
    assert read_partners(coordinator).admitted(serial) is None
    with pytest.raises(UnknownPartnerError):
        revoke(coordinator, "shop")


def test_pinning_keeps_the_rest_of_the_policy(coordinator: CoordinatorHome, tmp_path: Path) -> None:
    node = NodeHome(tmp_path / "node")
    request, _ = _ask(coordinator, node, "shop")
    policy = pin(node, "bank", "ab" * 32)
    assert policy.partners == {"shop": request.identity, "bank": "ab" * 32}
    assert policy.max_declared_users == 100


def test_an_invitation_reads_back_as_it_was_written(coordinator: CoordinatorHome) -> None:
    invitation, path = invite(coordinator, "shop")
    assert read_document(Invitation, path) == invitation


def test_a_partner_of_another_protocol_is_not_admitted(
    coordinator: CoordinatorHome, tmp_path: Path
) -> None:
    node = NodeHome(tmp_path / "node")
    request, path = _ask(coordinator, node, "shop")
    other = request.model_copy(update={"protocols": (7,)})
    write_document(signed(other, load_identity(node.identity)), path)
    with pytest.raises(ProtocolMismatchError, match="partner 'shop' speaks protocol 7"):
        approve(coordinator, path, other.fingerprint())
    assert not read_partners(coordinator).partners


def test_a_coordinator_of_another_protocol_is_not_joined(
    coordinator: CoordinatorHome, tmp_path: Path
) -> None:
    invitation, path = invite(coordinator, "shop")
    other = invitation.model_copy(update={"protocols": (7,)})
    write_document(signed(other, load_identity(coordinator.identity)), path)
    with pytest.raises(ProtocolMismatchError, match="the coordinator speaks protocol 7"):
        accept_invitation(NodeHome(tmp_path / "node"), path, other.fingerprint(), 100)
