"""The global model as this node knows it: computed by itself, kept on its own disk.

A node that verified every sum never needs to be told the model. One that missed a round takes the
whole server state from the coordinator; secure aggregation then binds the model's digest into every
signature, so that all partners of a round have trained from the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from shared.errors import FederationError
from shared.files import write_atomically
from shared.initial_weights import read_initial
from shared.optimiser import ServerState
from shared.plan import TrainingPlan
from shared.release_card import sum_digest
from shared.secagg import VerifiedSum
from shared.steps import first_step, next_state


class ModelNeededError(FederationError):
    """The node lacks the global model of the round before and needs the whole server state."""

    code = "FED-051"


class StateFormatError(FederationError):
    """The server state received has the wrong length or values that are not finite."""

    code = "FED-052"


@dataclass(frozen=True, slots=True)
class LastSum:
    """The sum of the last round, as this node verified it."""

    digest: str
    """`shared.release_card.sum_digest`."""
    cohort: int
    """Partners in it."""


class GlobalModel:
    """The server state after the last round that this node knows.

    Parameters
    ----------
    plan
        The accepted plan.
    path
        File in which the state is kept between processes.
    initial
        Folder of pre-trained weights; without it, plans that start from some are refused.

    Raises
    ------
    ModelNeededError
        The kept state cannot be read.
    InitialWeightsError
        The plan's pre-trained weights are not at this node.
    """

    def __init__(self, plan: TrainingPlan, path: Path, initial: Path | None = None) -> None:
        self._plan, self._path = plan, path
        kept = _load(path) if path.exists() else (*_begun(plan, initial), None)
        self._round, self._state, self._verified = kept

    @property
    def round(self) -> int:
        """Number of rounds in the state; less than 1 before the first (`shared.steps`)."""
        return self._round

    @property
    def state(self) -> ServerState:
        """The server state."""
        return self._state

    @property
    def verified(self) -> LastSum | None:
        """The sum that led to this state; None if the state was received, or is the first."""
        return self._verified

    def require(self, number: int) -> ServerState:
        """The state from which round `number` trains.

        Raises
        ------
        ModelNeededError
            This node is at another round.
        """
        if self._round != number - 1:
            raise ModelNeededError(f"round {number} after round {self._round} at this node")
        return self._state

    def advance(self, total: VerifiedSum) -> None:
        """Compute the next state from a sum that this node has verified, and keep it."""
        number = self._round + 1
        state = next_state(self._plan, number, self._state, total.vector, total.survivors)
        name = sum_digest(self._plan, number, total.vector, total.survivors)
        self._keep(number, state, LastSum(name, len(total.survivors)))

    def replace(self, number: int, vector: NDArray[np.float32]) -> None:
        """Take over a received state (3 P and its statistics) after step `number`.

        Raises
        ------
        StateFormatError
        """
        length = 3 * self._plan.parameters + len(self._state.counts)
        if vector.dtype != np.float32 or vector.shape != (length,):
            raise StateFormatError(f"state is {vector.dtype}{vector.shape}, not float32({length},)")
        if not np.isfinite(vector).all():
            raise StateFormatError("state holds values that are not finite")
        self._keep(number, ServerState.from_flat(vector, self._plan.parameters), None)

    def _keep(self, number: int, state: ServerState, verified: LastSum | None) -> None:
        facts = {"round": str(number)}
        if verified is not None:
            facts |= {"sum": verified.digest, "cohort": str(verified.cohort)}
        write_atomically(self._path, save(state.tensors(), metadata=facts), private=True)
        self._round, self._state, self._verified = number, state, verified


def _begun(plan: TrainingPlan, initial: Path | None) -> tuple[int, ServerState]:
    weights = None if initial is None else read_initial(initial, plan)
    return first_step(plan) - 1, ServerState.start(plan, weights)


def _load(path: Path) -> tuple[int, ServerState, LastSum | None]:
    try:
        with safe_open(path, framework="numpy") as file:
            facts = file.metadata() or {}
            verified = LastSum(facts["sum"], int(facts["cohort"])) if "sum" in facts else None
            state = ServerState.from_tensors({n: file.get_tensor(n) for n in file.keys()})  # noqa: SIM118
            return int(facts["round"]), state, verified
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ModelNeededError(f"kept state cannot be read: {error}", where=str(path)) from error
