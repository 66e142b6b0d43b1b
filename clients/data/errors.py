"""Errors of reading and cleaning a platform's data.

::

    DataError
    ├── UnreadableSourceError     DATA-001
    ├── TruncatedSourceError      DATA-002
    ├── MalformedSourceError      DATA-003
    ├── WrongEncodingError        DATA-004
    ├── MissingColumnError        DATA-005
    ├── PseudonymKeyError         DATA-006
    ├── WorkspaceFullError        DATA-010
    └── RejectedDataError         DATA-007   carries the validation report
        ├── TooManyRejectedError  DATA-008
        └── EmptyPlatformError    DATA-009
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import DataError

if TYPE_CHECKING:
    from clients.data.report import ValidationReport


class UnreadableSourceError(DataError):
    """A file or folder that does not exist, cannot be opened or has a format nobody reads."""

    code = "DATA-001"


class TruncatedSourceError(DataError):
    """A file that ends before its end, or whose checksum is wrong."""

    code = "DATA-002"
    default_remedy = "export or copy the file again and compare its size with the original"


class MalformedSourceError(DataError):
    """A file whose structure is broken beyond single rows, such as a quote that never closes."""

    code = "DATA-003"


class WrongEncodingError(DataError):
    """A file that is not in the declared character encoding."""

    code = "DATA-004"
    default_remedy = "export it as UTF-8, or name its encoding in the mapping"


class MissingColumnError(DataError):
    """A source that lacks a column which the mapping names."""

    code = "DATA-005"


class PseudonymKeyError(DataError):
    """A pseudonym key that is absent, of the wrong length or readable by others."""

    code = "DATA-006"


class WorkspaceFullError(DataError):
    """Cleaning needs more memory or disk than it was given."""

    code = "DATA-010"


class RejectedDataError(DataError):
    """Data that was read and found unfit; `report` says row by row why."""

    code = "DATA-007"

    def __init__(
        self, problem: str, *, report: ValidationReport, where: str = "", remedy: str = ""
    ) -> None:
        super().__init__(problem, where=where, remedy=remedy)
        self.report = report


class TooManyRejectedError(RejectedDataError):
    """More rows were rejected than the thresholds allow."""

    code = "DATA-008"


class EmptyPlatformError(RejectedDataError):
    """A platform of which no event is left."""

    code = "DATA-009"
    default_remedy = "check the mapping, and that the source holds events of this platform"
