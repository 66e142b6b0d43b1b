"""The federation's certificate authority: one self-signed root, server and client certificates.

ECDSA on P-384 with SHA-384 throughout. The root may sign nothing but end-entity certificates (path
length 0) and its key stays in the coordinator's directory.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from server.home import CoordinatorHome
from shared.credentials import common_name, create_transport_key, load_transport_key
from shared.errors import ConfigError, in_words
from shared.files import write_atomically

ROOT_DAYS = 3650
SKEW = timedelta(minutes=15)
"""Certificates are valid from a little before now, for partners whose clock is behind."""


class AuthorityError(ConfigError):
    """The certificate authority is missing or its certificate cannot be read."""

    code = "FED-103"
    default_remedy = "run isthmus-coordinator init, or restore the directory from a backup"


def create_authority(home: CoordinatorHome, federation: str) -> None:
    """Make the root key and certificate."""
    key = create_transport_key(home.authority_key)
    name = common_name(f"{federation} authority")
    builder = _builder(name, name, key.public_key(), ROOT_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    _write(home, builder.sign(key, hashes.SHA384()))


def create_server_certificate(home: CoordinatorHome, host: str, days: int) -> None:
    """Make a key and certificate for `host` and for loopback, where the SuperLink listens."""
    key = create_transport_key(home.server_key)
    builder = _end_entity(home, host, key.public_key(), days, ExtendedKeyUsageOID.SERVER_AUTH)
    names = [_general_name(n) for n in dict.fromkeys((host, "localhost", "127.0.0.1"))]
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(load_transport_key(home.authority_key), hashes.SHA384())
    write_atomically(home.server_certificate, certificate.public_bytes(Encoding.PEM))


def issue_client_certificate(
    home: CoordinatorHome, partner: str, key: ec.EllipticCurvePublicKey, days: int
) -> x509.Certificate:
    """A client certificate for a partner's transport key."""
    builder = _end_entity(home, partner, key, days, ExtendedKeyUsageOID.CLIENT_AUTH)
    return builder.sign(load_transport_key(home.authority_key), hashes.SHA384())


def read_authority(home: CoordinatorHome) -> x509.Certificate:
    """The root certificate.

    Raises
    ------
    AuthorityError
    """
    try:
        return x509.load_pem_x509_certificate(home.authority.read_bytes())
    except (OSError, ValueError) as error:
        raise AuthorityError(
            in_words(error, "is no certificate"), where=str(home.authority)
        ) from error


def _end_entity(
    home: CoordinatorHome,
    name: str,
    key: ec.EllipticCurvePublicKey,
    days: int,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    root = read_authority(home)
    builder = _builder(common_name(name), root.subject, key, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    issuer = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
    return builder.add_extension(identifier, critical=False)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(home: CoordinatorHome, certificate: x509.Certificate) -> None:
    write_atomically(home.authority, certificate.public_bytes(Encoding.PEM))
