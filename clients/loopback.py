"""A self-signed certificate for 127.0.0.1, so that Flower's SuperNode can insist on TLS."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from clients.network_home import NetworkHome
from shared.credentials import common_name, create_transport_key
from shared.files import write_atomically

DAYS = 30
"""Made anew with every start, so a month is plenty."""


def create_loopback_certificate(network: NetworkHome) -> None:
    """Make key and certificate of the connector; the SuperNode trusts nothing else."""
    key = create_transport_key(network.local_key)
    name = common_name("isthmus connector")
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA384())
    )
    write_atomically(network.local_certificate, certificate.public_bytes(Encoding.PEM))
