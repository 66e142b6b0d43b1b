"""The error tree of Isthmus.

::

    IsthmusError
    ├── ConfigError        a file or option that cannot be used           CFG-
    ├── DataError          events or items that cannot be used            DATA-
    ├── ModelError         encoders, item space, networks, parameters     MODEL-
    ├── PrivacyError       accounting, ledger, private training           PRIV-
    ├── SecAggError        secure aggregation                             SA-
    ├── FederationError    plans, rounds, messages                        FED-
    ├── ServiceError       the node's service: requests, models, text     SRV-
    └── LabError           recipes, runs and reports                      LAB-

Concrete errors stand beside the code that raises them and inherit from one of these; each has a
stable code that is never reused. ``docs/errors.md`` lists them all, and a test insists on it::

    try:
        run(recipe)
    except DataError as error:
        print(error.code, error.problem, error.remedy)
"""

from __future__ import annotations

from typing import ClassVar


class IsthmusError(Exception):
    """Base of every error that Isthmus raises on purpose.

    Parameters
    ----------
    problem
        One sentence: what is wrong, with the offending value.
    where
        File, row, column, field, round or message in which it stands.
    remedy
        What the reader can do about it.
    """

    code: ClassVar[str] = "ISTHMUS"
    default_remedy: ClassVar[str] = ""

    def __init__(self, problem: str, *, where: str = "", remedy: str = "") -> None:
        self.problem = problem
        self.where = where
        self.remedy = remedy or self.default_remedy
        super().__init__(problem, where, self.remedy)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        remedy = f" → {self.remedy}" if self.remedy else ""
        return f"[{self.code}] {self.problem}{place}{remedy}"


def in_words(error: Exception, otherwise: str) -> str:
    """What the operating system says of an error, in words; `otherwise` where it says nothing.

    For messages: people are told "permission denied", not the name of a class or a number.
    """
    said = error.strerror if isinstance(error, OSError) else None
    return said.lower() if said else otherwise


class ConfigError(IsthmusError):
    """A configuration file, recipe or option cannot be used."""

    code = "CFG-000"


class DataError(IsthmusError):
    """Events or items cannot be used."""

    code = "DATA-000"


class ModelError(IsthmusError):
    """An encoder, item space, network or parameter vector cannot be used."""

    code = "MODEL-000"


class PrivacyError(IsthmusError):
    """Private training, accounting or the ledger refuses."""

    code = "PRIV-000"


class SecAggError(IsthmusError):
    """Secure aggregation refuses to go on."""

    code = "SA-000"


class FederationError(IsthmusError):
    """A plan, round or message is refused."""

    code = "FED-000"


class ServiceError(IsthmusError):
    """The node's service cannot answer a request or use a model."""

    code = "SRV-000"


class LabError(IsthmusError):
    """A recipe, run or report cannot be carried out."""

    code = "LAB-000"


class UnknownKeyError(ConfigError):
    """A key that nothing reads; the message proposes the nearest known name."""

    code = "CFG-001"


class InvalidValueError(ConfigError):
    """A value of the wrong type or outside its range."""

    code = "CFG-002"


class UnreadableConfigError(ConfigError):
    """A configuration file that is missing, or not valid TOML or JSON."""

    code = "CFG-003"
    default_remedy = "check the path, and the file at the place that is named"


class PathError(ConfigError):
    """The operating system does not let a command read or write a file or directory."""

    code = "CFG-004"
    default_remedy = "check the path, its permissions and the space on the disk"
