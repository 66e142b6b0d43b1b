"""Checkpoints of a run: after every round, one safetensors file, written atomically.

A coordinator that is started again continues after the newest checkpoint. The file names its plan,
so the state of another plan is never taken up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from shared.errors import FederationError
from shared.files import write_atomically
from shared.optimiser import ServerState

FORMAT: Final = "1"
_NAMES = ("average", "model", "velocity")


class CheckpointError(FederationError):
    """A checkpoint that belongs to another plan or cannot be read."""

    code = "FED-040"
    default_remedy = "move the checkpoint directory away to start this plan from its first round"


class Checkpoints:
    """The checkpoints of one plan in one directory.

    Parameters
    ----------
    directory
        Where the files ``round-00001.safetensors`` stand; created when missing.
    plan_digest
        Digest of the plan (32 bytes).
    """

    def __init__(self, directory: Path, plan_digest: bytes) -> None:
        self._directory = directory
        self._plan = plan_digest.hex()
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, round_number: int, state: ServerState) -> None:
        """Store the state after `round_number` (0 = before the first round)."""
        tensors = {name: np.ascontiguousarray(getattr(state, name)) for name in _NAMES}
        facts = {"format": FORMAT, "plan": self._plan, "round": str(round_number)}
        data = save(tensors, metadata=facts)
        write_atomically(self.path(round_number), data)

    def newest(self) -> tuple[int, ServerState] | None:
        """Round number and state of the newest checkpoint, if there is one.

        Raises
        ------
        CheckpointError
        """
        rounds = self.rounds()
        return (rounds[-1], self.load(rounds[-1])) if rounds else None

    def load(self, round_number: int) -> ServerState:
        """The state after `round_number`.

        Raises
        ------
        CheckpointError
        """
        path = self.path(round_number)
        try:
            facts, tensors = _read(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(str(error), where=str(path)) from error
        if facts.get("format", FORMAT) != FORMAT:
            raise CheckpointError(f"format {facts['format']!r}, here {FORMAT}", where=str(path))
        if facts.get("plan") != self._plan or set(tensors) != set(_NAMES):
            raise CheckpointError("the checkpoint belongs to another plan", where=str(path))
        return ServerState(**{name: tensors[name] for name in _NAMES})

    def rounds(self) -> list[int]:
        """Round numbers with a checkpoint, in order."""
        return sorted(
            int(p.stem.split("-")[1]) for p in self._directory.glob("round-*.safetensors")
        )

    def path(self, round_number: int) -> Path:
        """The file of a round."""
        return self._directory / f"round-{round_number:05d}.safetensors"


def _read(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        return file.metadata() or {}, tensors
