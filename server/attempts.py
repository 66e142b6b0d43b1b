"""Which attempt of which round was begun, on disk before its first message leaves.

Nodes serve an attempt once. A coordinator that was killed therefore must not begin the same attempt
again after its restart.
"""

from __future__ import annotations

from pathlib import Path

from shared.errors import FederationError
from shared.files import read_json, write_json
from shared.secagg.policy import MAX_ATTEMPTS


class AttemptsFileError(FederationError):
    """The record of attempts cannot be read."""

    code = "FED-041"
    default_remedy = "restore the coordinator's run directory from a backup"


class AttemptsExhaustedError(FederationError):
    """A round was attempted as often as secure aggregation allows; nodes answer no further one."""

    code = "FED-045"
    default_remedy = "give the run up: isthmus-coordinator start --plan NEXT.toml --replace"


class Attempts:
    """Counts the attempts of each round of one run.

    Parameters
    ----------
    path
        The file; created with the first attempt.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, number: int) -> int:
        """Durably take the next attempt of round `number`, counted from 0.

        Raises
        ------
        AttemptsFileError, AttemptsExhaustedError
        """
        taken = self._read()
        attempt = taken.get(str(number), -1) + 1
        if attempt >= MAX_ATTEMPTS:
            raise AttemptsExhaustedError(f"round {number} was attempted {attempt} times")
        write_json(self._path, {**taken, str(number): attempt})
        return attempt

    def last(self, number: int) -> int | None:
        """The attempt at round `number` that was begun last, if any.

        Raises
        ------
        AttemptsFileError
        """
        return self._read().get(str(number))

    def _read(self) -> dict[str, int]:
        if not self._path.exists():
            return {}
        try:
            return {str(k): int(v) for k, v in read_json(self._path).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise AttemptsFileError(str(error), where=str(self._path)) from error
