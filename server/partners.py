"""Who belongs to the federation: identities, transport keys, certificates and revocations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from server.home import CoordinatorHome
from shared.config import StrictModel, parse
from shared.enrolment import PartnerName
from shared.errors import FederationError
from shared.files import read_json, write_atomically
from shared.plan import HexKey
from shared.protocol import Protocols


class UnknownPartnerError(FederationError):
    """No partner of this name was admitted."""

    code = "FED-104"
    default_remedy = "see isthmus-coordinator status for the partners that there are"


class IdentityTakenError(FederationError):
    """A name or an identity that belongs to another partner."""

    code = "FED-105"
    default_remedy = "revoke the partner first if its key is lost, or invite it under another name"


class IssuedCertificate(StrictModel):
    """One client certificate of a partner."""

    serial: str
    """Serial number, hex."""
    transport: str
    """The public key that it is for, PEM; the SuperNode signs its requests with it."""
    expires: datetime
    """End of its validity."""


class AdmittedPartner(StrictModel):
    """One partner."""

    name: PartnerName
    """Name in plans."""
    number: Annotated[int, Field(ge=1, le=65535)]
    """Number in messages and masks; never given to another partner."""
    identity: HexKey
    """Ed25519 identity, compared out of band."""
    declared_users: Annotated[int, Field(ge=1)]
    """Public lower bound on the partner's users."""
    protocols: Protocols = (1,)
    """Versions of the protocol that its node spoke when it joined or renewed."""
    certificates: tuple[IssuedCertificate, ...]
    """Oldest first. After a renewal the one before stays valid until it expires."""
    revoked: bool = False
    """Refused at the edge and left out of plans."""


class PartnersFile(StrictModel):
    """The content of `partners.json`."""

    version: Literal[1] = 1
    """Version of this format."""
    partners: tuple[AdmittedPartner, ...] = ()
    """In the order of their admission, revoked ones included."""

    def active(self) -> tuple[AdmittedPartner, ...]:
        """Partners that are not revoked."""
        return tuple(p for p in self.partners if not p.revoked)

    def find(self, name: str) -> AdmittedPartner:
        """The partner called `name`, if it is not revoked.

        Raises
        ------
        UnknownPartnerError
        """
        found = next((p for p in self.active() if p.name == name), None)
        if found is None:
            gone = any(p.name == name for p in self.partners)
            problem = f"partner {name!r} was revoked" if gone else f"no partner {name!r}"
            raise UnknownPartnerError(problem)
        return found

    def admitted(self, serial: str) -> AdmittedPartner | None:
        """The partner that holds the certificate `serial` (hex), unless it is revoked."""
        return next(
            (p for p in self.active() if serial in [c.serial for c in p.certificates]), None
        )

    def with_partner(self, partner: AdmittedPartner) -> PartnersFile:
        """With `partner` added, or in place of the one of its number."""
        others = [p for p in self.partners if p.number != partner.number]
        ordered = sorted([*others, partner], key=lambda p: p.number)
        return self.model_copy(update={"partners": tuple(ordered)})


def read_partners(home: CoordinatorHome) -> PartnersFile:
    """The partners of the coordinator in `home`; none if nobody was admitted yet.

    Raises
    ------
    ConfigError
    """
    if not home.partners.exists():
        return PartnersFile()
    return parse(PartnersFile, read_json(home.partners), where=str(home.partners))


def write_partners(home: CoordinatorHome, file: PartnersFile) -> None:
    """Store the partners atomically, readable by the owner alone."""
    write_atomically(home.partners, file.model_dump_json(indent=1).encode() + b"\n", private=True)
