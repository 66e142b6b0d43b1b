"""Inviting, admitting, renewing and revoking partners."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from server.authority import create_authority, create_server_certificate, issue_client_certificate
from server.home import CoordinatorHome
from server.partners import (
    AdmittedPartner,
    IdentityTakenError,
    IssuedCertificate,
    PartnersFile,
    read_partners,
    write_partners,
)
from server.settings import TEMPLATE, CoordinatorSettings, read_settings
from shared.config import parse
from shared.credentials import public_pem, same_fingerprint
from shared.documents import check_signature, read_document, signed, write_document
from shared.enrolment import Admission, FingerprintMismatchError, Invitation, JoinRequest
from shared.errors import ConfigError
from shared.files import write_atomically
from shared.keyfile import create_identity, load_identity, public_bytes
from shared.protocol import agree


class CoordinatorExistsError(ConfigError):
    """The directory holds a coordinator already; its authority is never overwritten."""

    code = "FED-106"
    default_remedy = "use another --home, or --renew for a new server certificate"


def create_coordinator(home: CoordinatorHome, federation: str, address: str, link: int) -> None:
    """Make authority, server certificate, identity, executor secret and settings.

    Raises
    ------
    CoordinatorExistsError, ConfigError
    """
    if home.authority.exists() or home.identity.exists():
        raise CoordinatorExistsError("there is a coordinator", where=str(home.root))
    port = address.rpartition(":")[2]
    values = {
        "federation": federation,
        "address": address,
        "edge": {"port": int(port) if port.isdecimal() else port},
        "link": {"port": link},
    }
    settings = parse(CoordinatorSettings, values, where="options of init")
    for directory in (home.root, home.documents, home.link, home.runs, home.authority.parent):
        private_directory(directory)
    private_directory(home.server_key.parent)
    create_authority(home, federation)
    create_server_certificate(home, settings.host, settings.certificates.server_days)
    create_identity(home.identity)
    write_atomically(home.executor_secret, secrets.token_hex(32).encode(), private=True)
    text = TEMPLATE.format(
        federation=json.dumps(federation), address=json.dumps(address), port=port, link=link
    )
    write_atomically(home.settings, text.encode(), private=True)


def renew_server_certificate(home: CoordinatorHome) -> None:
    """A new key and certificate for the edge; partners notice nothing, the authority is the same.

    Raises
    ------
    ConfigError
    """
    settings = read_settings(home)
    create_server_certificate(home, settings.host, settings.certificates.server_days)


def invite(home: CoordinatorHome, partner: str) -> tuple[Invitation, Path]:
    """Write the invitation for `partner`; returns it and its file.

    Raises
    ------
    ConfigError
    """
    settings = read_settings(home)
    key = load_identity(home.identity)
    values = {
        "federation": settings.federation,
        "partner": partner,
        "address": settings.address,
        "authority": home.authority.read_text(),
        "coordinator": public_bytes(key).hex(),
    }
    invitation = parse(Invitation, values, where=f"isthmus-coordinator invite {partner}")
    path = home.documents / f"{partner}.invitation.json"
    invitation = signed(invitation, key)
    write_document(invitation, path)
    return invitation, path


def approve(home: CoordinatorHome, request_file: Path, fingerprint: str) -> Path:
    """Admit the partner that made the request and write its admission; returns the file.

    Parameters
    ----------
    fingerprint
        What the partner read out. May be empty for a renewal: a request that is signed by the
        identity that was compared when the partner joined.

    Raises
    ------
    DocumentError, FingerprintMismatchError, IdentityTakenError, ProtocolMismatchError
    """
    request = read_document(JoinRequest, request_file)
    check_signature(request, bytes.fromhex(request.identity))
    agree(request.protocols, who=f"partner {request.partner!r}")
    partners = read_partners(home)
    known = _known(partners, request)
    if known is None or fingerprint:
        _compare(request, fingerprint)
    key = request.transport_key()
    days = read_settings(home).certificates.partner_days
    certificate = issue_client_certificate(home, request.partner, key, days)
    issued = IssuedCertificate(
        serial=f"{certificate.serial_number:x}",
        transport=public_pem(key).decode(),
        expires=certificate.not_valid_after_utc,
    )
    partner = AdmittedPartner(
        name=request.partner,
        number=known.number if known else 1 + max((p.number for p in partners.partners), default=0),
        identity=request.identity,
        declared_users=request.declared_users,
        protocols=request.protocols,
        certificates=(*(known.certificates if known else ()), issued),
    )
    write_partners(home, partners.with_partner(partner))
    admission = Admission(
        partner=request.partner, certificate=certificate.public_bytes(Encoding.PEM).decode()
    )
    path = home.documents / f"{request.partner}.admission.json"
    write_document(signed(admission, load_identity(home.identity)), path)
    return path


def revoke(home: CoordinatorHome, name: str) -> AdmittedPartner:
    """Refuse all certificates of a partner from now on and leave it out of plans.

    Raises
    ------
    UnknownPartnerError
    """
    partners = read_partners(home)
    partner = partners.find(name).model_copy(update={"revoked": True})
    write_partners(home, partners.with_partner(partner))
    return partner


def private_directory(path: Path) -> None:
    """Make a directory that only its owner may enter."""
    path.mkdir(parents=True, exist_ok=True)
    os.chmod(path, 0o700)


def _known(partners: PartnersFile, request: JoinRequest) -> AdmittedPartner | None:
    """The partner that renews with this request; None for a new one."""
    key = public_pem(request.transport_key()).decode()
    for partner in partners.active():
        if (partner.name == request.partner) != (partner.identity == request.identity):
            raise IdentityTakenError(f"{request.partner!r} or its identity belongs to a partner")
        if key in [c.transport for c in partner.certificates] and partner.name != request.partner:
            raise IdentityTakenError("the transport key belongs to another partner")
    return next((p for p in partners.active() if p.identity == request.identity), None)


def _compare(request: JoinRequest, fingerprint: str) -> None:
    if not fingerprint:
        raise FingerprintMismatchError(
            "a partner that is new here is not admitted without its fingerprint",
            where=request.partner,
            remedy="let the partner read its fingerprint out to you, and give it as --fingerprint",
        )
    if not same_fingerprint(request.fingerprint(), fingerprint):
        raise FingerprintMismatchError("not the fingerprint of this request", where=request.partner)
