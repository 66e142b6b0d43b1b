"""Transport keys and fingerprints: what TLS and Flower's node authentication use.

A transport key is an ECDSA key on P-384 (Flower accepts NIST curves only). It is made where it is
used and never travels; a certificate request carries its public half. Signing keys of people and
platforms are Ed25519 and stand in `shared.keyfile`.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from shared.errors import ConfigError, in_words
from shared.files import write_atomically
from shared.hashing import digest

GROUPS = 8
"""Groups of four hexadecimal digits in a fingerprint: 128 bits."""


class TransportKeyError(ConfigError):
    """The transport key is missing or not an elliptic-curve key."""

    code = "FED-100"
    default_remedy = "restore the file from a backup, or join again"


def create_transport_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Make a P-384 key and store it as PKCS8 PEM, mode 0600."""
    key = ec.generate_private_key(ec.SECP384R1())
    write_atomically(path, _pem(key, PrivateFormat.PKCS8), private=True)
    return key


def load_transport_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a key that `create_transport_key` stored.

    Raises
    ------
    TransportKeyError
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise TransportKeyError(in_words(error, "is no private key"), where=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TransportKeyError("not an elliptic-curve key", where=str(path))
    return key


def openssh_private(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The form in which Flower's SuperNode reads its key."""
    return _pem(key, PrivateFormat.OpenSSH)


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """SubjectPublicKeyInfo in PEM, as Flower's node authentication compares it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def certificate_request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """A certificate signing request in PEM for `name`."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name(name))
    return builder.sign(key, hashes.SHA384()).public_bytes(Encoding.PEM)


def common_name(name: str) -> x509.Name:
    """A subject that consists of a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def fingerprint(label: str, *parts: bytes) -> str:
    """128 bits of a digest in groups that people can read to each other over the telephone."""
    text = digest(f"isthmus fingerprint {label}", *parts).hex().upper()
    return " ".join(text[4 * i : 4 * i + 4] for i in range(GROUPS))


def same_fingerprint(first: str, second: str) -> bool:
    """Compare what people typed: spaces, dashes, colons and case do not matter."""
    return _plain(first) == _plain(second) and len(_plain(first)) == 4 * GROUPS


def _plain(text: str) -> str:
    return "".join(c for c in text.upper() if c not in " -:\n\t")


def _pem(key: ec.EllipticCurvePrivateKey, form: PrivateFormat) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())
