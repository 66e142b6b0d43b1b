"""The three documents by which a partner joins: invitation, join request, admission.

Each is a small JSON file that may travel by any channel. The invitation and the join request have a
fingerprint that the two sides compare out of band; everything after rests on the keys that were
compared. No document holds a private key.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field

from shared.config import StrictModel, parse
from shared.credentials import fingerprint, public_pem
from shared.errors import FederationError
from shared.files import write_atomically
from shared.hashing import digest
from shared.plan import HexKey

MAX_DOCUMENT_BYTES = 1 << 16
PartnerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Signature = Annotated[str, Field(pattern=r"^([0-9a-f]{128})?$")]


class DocumentError(FederationError):
    """A document of joining that cannot be read or is not signed as it must be."""

    code = "FED-101"
    default_remedy = "ask the sender for the file again"


class FingerprintMismatchError(FederationError):
    """The fingerprint told out of band is not that of the file: someone may be in between."""

    code = "FED-102"
    default_remedy = "do not go on; compare again over a channel on which you know the voice"


class _Document(StrictModel):
    """A signed JSON document."""

    version: Literal[1] = 1
    """Version of this format."""
    signature: Signature = ""
    """Ed25519 signature over everything else, hex."""

    def payload(self) -> bytes:
        """The bytes that are signed."""
        values = self.model_dump(mode="json", exclude={"signature"})
        return digest(
            f"isthmus {type(self).__name__} 1", json.dumps(values, sort_keys=True).encode()
        )


class Invitation(_Document):
    """What a partner needs to know of a federation; signed by the coordinator."""

    federation: Annotated[str, Field(min_length=1, max_length=64)]
    """Name of the federation."""
    partner: PartnerName
    """Name that the partner has in plans."""
    address: Annotated[str, Field(pattern=r"^[^\s/@]+:[0-9]{1,5}$")]
    """host:port of the coordinator's TLS edge."""
    authority: str
    """Certificate of the federation's authority, PEM."""
    coordinator: HexKey
    """Ed25519 key that signs plans."""

    def fingerprint(self) -> str:
        """Binds the authority and the coordinator's key."""
        return fingerprint("invitation", self.authority.encode(), bytes.fromhex(self.coordinator))


class JoinRequest(_Document):
    """A partner's answer; signed by the partner's identity."""

    federation: str
    """Name of the federation."""
    partner: PartnerName
    """The partner's name in the invitation."""
    identity: HexKey
    """The partner's long-term Ed25519 key."""
    declared_users: Annotated[int, Field(ge=1)]
    """Public lower bound on the partner's users."""
    request: str
    """Certificate signing request for the transport key, PEM."""

    def fingerprint(self) -> str:
        """Binds the partner's name, identity and transport key."""
        return fingerprint(
            "join request",
            self.partner.encode(),
            bytes.fromhex(self.identity),
            public_pem(self.transport_key()),
        )

    def transport_key(self) -> ec.EllipticCurvePublicKey:
        """The public transport key, from a request that is signed with its private half.

        Raises
        ------
        DocumentError
        """
        try:
            request = x509.load_pem_x509_csr(self.request.encode())
            key = request.public_key()
            valid = request.is_signature_valid
        except ValueError as error:
            raise DocumentError("the certificate request cannot be read") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
            raise DocumentError("the transport key is not a P-384 key")
        if not valid:
            raise DocumentError("the certificate request is not signed by its own key")
        return key


class Admission(_Document):
    """The coordinator's answer to a join request: the partner's certificate."""

    partner: PartnerName
    """The partner."""
    certificate: str
    """Client certificate, PEM."""


Document = TypeVar("Document", Invitation, JoinRequest, Admission)


def signed(document: Document, key: Ed25519PrivateKey) -> Document:
    """The document with the signature of `key`."""
    return document.model_copy(update={"signature": key.sign(document.payload()).hex()})


def check_signature(document: Document, key: bytes) -> None:
    """Raise unless `document` is signed by `key` (Ed25519 public key, 32 bytes).

    Raises
    ------
    DocumentError
    """
    try:
        public = Ed25519PublicKey.from_public_bytes(key)
        public.verify(bytes.fromhex(document.signature), document.payload())
    except (InvalidSignature, ValueError) as error:
        raise DocumentError(f"the {type(document).__name__} is not signed by its maker") from error


def read_document(model: type[Document], path: Path) -> Document:
    """Read a document; its signature is not checked yet.

    Raises
    ------
    DocumentError, ConfigError
    """
    try:
        raw = path.read_bytes()
        values = json.loads(raw) if len(raw) <= MAX_DOCUMENT_BYTES else None
    except (OSError, ValueError) as error:
        raise DocumentError(f"cannot be read: {type(error).__name__}", where=str(path)) from error
    if not isinstance(values, dict):
        raise DocumentError(f"is no {model.__name__}", where=str(path))
    return parse(model, values, where=str(path))


def write_document(document: Document, path: Path) -> None:
    """Write a document; it is public."""
    write_atomically(path, document.model_dump_json(indent=1).encode() + b"\n")
