"""Joining a federation, from the partner's side."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.home import NodeHome
from clients.network_home import NetworkHome
from clients.policy import NodePolicy, NotJoinedError, read_policy, write_policy
from shared.config import parse
from shared.credentials import (
    certificate_request,
    create_transport_key,
    load_transport_key,
    public_pem,
    same_fingerprint,
)
from shared.documents import (
    DocumentError,
    check_signature,
    read_document,
    read_values,
    signed,
    write_document,
)
from shared.enrolment import Admission, FingerprintMismatchError, Invitation, JoinRequest
from shared.files import write_atomically
from shared.keyfile import create_identity, load_identity, public_bytes
from shared.protocol import agree


def accept_invitation(
    home: NodeHome, invitation_file: Path, fingerprint: str, declared_users: int
) -> tuple[JoinRequest, Path]:
    """Check an invitation, make keys, and write a join request; returns it and its file.

    Parameters
    ----------
    fingerprint
        What the coordinator's operator read out.
    declared_users
        Public lower bound on the platform's users.

    Raises
    ------
    DocumentError, FingerprintMismatchError, ProtocolMismatchError
    """
    invitation = read_document(Invitation, invitation_file)
    check_signature(invitation, bytes.fromhex(invitation.coordinator))
    if not same_fingerprint(invitation.fingerprint(), fingerprint):
        raise FingerprintMismatchError("not this invitation's", where=str(invitation_file))
    agree(invitation.protocols, who="the coordinator")
    network = NetworkHome.of(home)
    network.root.mkdir(parents=True, exist_ok=True)
    os.chmod(network.root, 0o700)
    write_document(invitation, network.invitation)
    write_atomically(network.authority, invitation.authority.encode())
    identity = _identity(home)
    _write_policy(home, invitation, identity, declared_users)
    return _request(home, invitation, identity, declared_users)


def renew(home: NodeHome) -> tuple[JoinRequest, Path]:
    """A request for the next certificate, with a new transport key.

    Raises
    ------
    NotJoinedError
    """
    invitation = read_invitation(home)
    declared = read_document(JoinRequest, NetworkHome.of(home).request).declared_users
    return _request(home, invitation, load_identity(home.identity), declared)


def accept_admission(home: NodeHome, admission_file: Path) -> x509.Certificate:
    """Store the certificate that the coordinator issued, and put its transport key into use.

    Raises
    ------
    NotJoinedError, DocumentError
    """
    network, invitation = NetworkHome.of(home), read_invitation(home)
    admission = read_document(Admission, admission_file)
    check_signature(admission, bytes.fromhex(invitation.coordinator))
    certificate = x509.load_pem_x509_certificate(admission.certificate.encode())
    authority = x509.load_pem_x509_certificate(invitation.authority.encode())
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception as error:
        raise DocumentError("the certificate is not the authority's") from error
    pending = network.next_key if network.next_key.exists() else network.key
    key = load_transport_key(pending).public_key()
    expected = public_pem(key)
    if public_pem(certificate.public_key()) != expected:  # type: ignore[arg-type]
        raise DocumentError("the certificate is for another key", where=str(admission_file))
    pending.replace(network.key)
    write_atomically(network.certificate, admission.certificate.encode())
    return certificate


def is_admission(path: Path) -> bool:
    """Whether a file is an admission; an invitation, or anything else, is not.

    Raises
    ------
    DocumentError
    """
    return "certificate" in read_values(path)


def pin(home: NodeHome, name: str, identity: str) -> NodePolicy:
    """Pin the identity key of another partner, as told by that partner out of band.

    Raises
    ------
    NotJoinedError, ConfigError
    """
    values = read_policy(home).model_dump(mode="json")
    values["partners"] |= {name: identity}
    policy = parse(NodePolicy, values, where=f"isthmus-node pin {name}")
    write_policy(home, policy)
    return policy


def read_invitation(home: NodeHome) -> Invitation:
    """The invitation that this node accepted.

    Raises
    ------
    NotJoinedError
    """
    path = NetworkHome.of(home).invitation
    if not path.exists():
        raise NotJoinedError("no invitation was accepted", where=str(path))
    return read_document(Invitation, path)


def _identity(home: NodeHome) -> Ed25519PrivateKey:
    return (
        load_identity(home.identity) if home.identity.exists() else create_identity(home.identity)
    )


def _write_policy(
    home: NodeHome, invitation: Invitation, identity: Ed25519PrivateKey, declared_users: int
) -> None:
    """A policy that trusts this coordinator and pins nobody but this node; never overwritten."""
    if home.policy.exists():
        return
    policy = NodePolicy(
        coordinator=invitation.coordinator,
        partners={invitation.partner: public_bytes(identity).hex()},
        max_declared_users=declared_users,
    )
    write_policy(home, policy)


def _request(
    home: NodeHome, invitation: Invitation, identity: Ed25519PrivateKey, declared_users: int
) -> tuple[JoinRequest, Path]:
    network = NetworkHome.of(home)
    key = create_transport_key(network.next_key)
    request = JoinRequest(
        federation=invitation.federation,
        partner=invitation.partner,
        identity=public_bytes(identity).hex(),
        declared_users=declared_users,
        request=certificate_request(key, invitation.partner).decode(),
    )
    request = signed(request, identity)
    write_document(request, network.request)
    return request, network.request
