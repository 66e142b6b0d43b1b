"""Updates that a node trained and keeps until they are sent, with what the next round goes on from.

A file holds a round's update, the moments of the optimiser and, with banded noise, the last noise
vectors. Those are continued by the next round exactly once: used a second time (a file put back
from a backup), one user's contributions in two rounds would share noise and cost more than was
charged; lost, the noise would not cancel as planned. Both are refused, by comparison with the
ledger, which knows the last update that was committed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from shared.errors import FederationError, PrivacyError
from shared.files import write_atomically
from shared.privacy.spends import Spend

Float32s = NDArray[np.float32]
_NAME = re.compile(r"update-(\d{5})\.safetensors")


class KeptUpdateError(FederationError):
    """An update that this node kept cannot be read."""

    code = "FED-050"
    default_remedy = "the round cannot be repeated without a new charge; skip it"


class NoiseStateError(PrivacyError):
    """The correlated noise of a run cannot be continued: its state is lost, or an older one."""

    code = "PRIV-200"
    default_remedy = (
        "this node is out of the run: nothing more may be trained under its plan; take part in a "
        "new plan, and never put files of a run back from a backup"
    )


class KeptUpdates:
    """The kept rounds of one run, of which the newest two stay.

    Parameters
    ----------
    directory
        Of the run.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def has(self, number: int) -> bool:
        """Whether the update of round `number` is kept."""
        return self._path(number).exists()

    def read(self, number: int) -> dict[str, Float32s]:
        """What `keep` wrote for round `number`.

        Raises
        ------
        KeptUpdateError
        """
        path = self._path(number)
        try:
            with safe_open(path, framework="numpy") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise KeptUpdateError(str(error), where=str(path)) from error

    def keep(self, number: int, tensors: dict[str, Float32s]) -> None:
        """Write round `number` durably, then drop what is older than the round before."""
        data = save({name: np.ascontiguousarray(t) for name, t in tensors.items()})
        write_atomically(self._path(number), data, private=True)
        self.drop_before(min(self._numbers()[-2:]))

    def drop_before(self, number: int) -> None:
        """Delete the updates of rounds before `number`."""
        for old in self._numbers():
            if old < number:
                self._path(old).unlink(missing_ok=True)

    def newest(self) -> int | None:
        """The last round kept."""
        return max(self._numbers(), default=None)

    def check_continuity(self, number: int, spends: Iterable[Spend]) -> None:
        """Round `number` may be trained with noise that goes on from the newest kept round.

        Parameters
        ----------
        spends
            Of this run and this model.

        Raises
        ------
        NoiseStateError
            A committed update is newer than the kept one, another one, or was never kept.
        """
        newest = self.newest()
        if newest is not None and newest >= number:
            raise NoiseStateError(f"round {number} would follow round {newest}")
        committed = {spend.release.round: spend.update for spend in spends if spend.update}
        last = max(committed, default=None)
        if last is None:
            return
        if newest is None or newest < last:
            raise NoiseStateError(f"the noise state of round {last} is not there")
        digest = hashlib.sha256(self.read(newest)["update"].tobytes()).hexdigest()
        if committed.get(newest, digest) != digest:
            raise NoiseStateError(f"the kept round {newest} is not the one that was released")

    def _numbers(self) -> list[int]:
        names = (_NAME.fullmatch(path.name) for path in self._directory.glob("update-*"))
        return sorted(int(name[1]) for name in names if name)

    def _path(self, number: int) -> Path:
        return self._directory / f"update-{number:05d}.safetensors"
