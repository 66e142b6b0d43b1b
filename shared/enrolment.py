"""The three documents by which a partner joins: invitation, join request, admission.

Each is a small JSON file that may travel by any channel. The invitation and the join request have a
fingerprint that the two sides compare out of band; everything after rests on the keys that were
compared. No document holds a private key.
"""

from __future__ import annotations

from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field

from shared.credentials import fingerprint, public_pem
from shared.documents import DocumentError, SignedDocument
from shared.errors import FederationError
from shared.plan import HexKey
from shared.protocol import SPOKEN, Protocols

PartnerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class FingerprintMismatchError(FederationError):
    """The fingerprint told out of band is not that of the file: someone may be in between."""

    code = "FED-102"
    default_remedy = "do not go on; compare again over a channel on which you know the voice"


class Invitation(SignedDocument):
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
    protocols: Protocols = SPOKEN
    """Versions of the protocol that the coordinator speaks."""

    def fingerprint(self) -> str:
        """Binds the authority and the coordinator's key."""
        return fingerprint("invitation", self.authority.encode(), bytes.fromhex(self.coordinator))


class JoinRequest(SignedDocument):
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
    protocols: Protocols = SPOKEN
    """Versions of the protocol that the partner's node speaks."""

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


class Admission(SignedDocument):
    """The coordinator's answer to a join request: the partner's certificate."""

    partner: PartnerName
    """The partner."""
    certificate: str
    """Client certificate, PEM."""
