"""What `isthmus-node doctor` can find, as errors with a code, a severity and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from shared.errors import ConfigError

Severity = Literal["good", "skipped", "warning", "error"]


class TroubleError(ConfigError):
    """Something that `isthmus-node doctor` found."""

    code = "CFG-110"
    severity: ClassVar[Severity] = "error"


class ClockTroubleError(TroubleError):
    """The machine's clock is wrong: events would lie in the future, certificates be invalid."""

    code = "CFG-111"
    default_remedy = "synchronise the clock (NTP)"


class DiskTroubleError(TroubleError):
    """There is little space left where the node's directory is."""

    code = "CFG-112"
    severity = "warning"
    default_remedy = "free the disk, or move the node; a full disk stops ingestion and rounds"


class ModeTroubleError(TroubleError):
    """Private files of the node can be read or changed by other accounts."""

    code = "CFG-113"
    default_remedy = "chmod -R go-rwx on the node's directory; if others had access, rotate keys"


class CertificateTroubleError(TroubleError):
    """The certificate has ended or is not valid yet."""

    code = "CFG-114"
    default_remedy = "isthmus-node join --renew, and send the request to the coordinator"


class CertificateEndingError(CertificateTroubleError):
    """The certificate ends soon."""

    code = "CFG-115"
    severity = "warning"


class CoordinatorTroubleError(TroubleError):
    """The coordinator does not answer."""

    code = "CFG-116"
    severity = "warning"
    default_remedy = "check network, firewall and proxy; serving goes on without it"


class BudgetTroubleError(TroubleError):
    """The privacy budget is spent: this node takes part in no further private round."""

    code = "CFG-117"
    severity = "warning"
    default_remedy = (
        "isthmus-node privacy shows on what; more needs its --lifetime-epsilon, your decision"
    )


class NothingIngestedError(TroubleError):
    """There are no data yet."""

    code = "CFG-118"
    severity = "warning"
    default_remedy = "isthmus-node ingest"


class EndpointTroubleError(TroubleError):
    """The text endpoint does not answer; texts come from templates until it does."""

    code = "CFG-119"
    severity = "warning"
    default_remedy = "start it, or set backend in [text]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    Attributes
    ----------
    check
        What was looked at.
    severity
        ``good`` and ``skipped`` need nothing.
    text
        What was found.
    code, remedy
        Of a problem; empty otherwise.
    """

    check: str
    severity: Severity
    text: str
    code: str = ""
    remedy: str = ""


def exit_code(findings: list[Finding]) -> int:
    """0: all good; 1: warnings; 2: errors."""
    found = {finding.severity for finding in findings}
    return 2 if "error" in found else int("warning" in found)
