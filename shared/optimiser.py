"""The server optimiser: how the mean update becomes the next global model.

It lives in `shared` because every node recomputes it: a node that verified the sum computes the
next model itself and so detects a coordinator that shows it another one. Element-wise float64 in a
fixed order, rounded once to float32, so all parties get the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.plan import TrainingPlan
from shared.released_counts import empty_counts

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]

TENSORS: Final = ("average", "model", "velocity")
"""Names of a state's vectors in files, coordinator's and nodes' alike."""
COUNTS: Final = "counts"
"""A further one, of plans with statistics only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """All that a run has opened so far: global model, optimiser state, statistics.

    The model's vectors are (d,) float32.
    """

    model: Float32s
    """The model from which the next round trains."""
    velocity: Float32s
    """Momentum buffer (Hsu et al. 2019, FedAvgM)."""
    average: Float32s
    """Exponential average of the models; equal to `model` when averaging is off."""
    counts: Float32s = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """Statistics released before the first round (`shared.released_counts`); empty in plans
    without any."""

    @classmethod
    def start(cls, plan: TrainingPlan, weights: Float32s | None = None) -> ServerState:
        """State before the first round, the same for everybody who has the plan.

        Parameters
        ----------
        weights
            Pre-trained ones, where the plan names them (`shared.initial_weights`).

        Raises
        ------
        InitialWeightsError
        """
        model = plan.initial_model(weights)
        nothing = np.zeros_like(model)
        return cls(model=model, velocity=nothing, average=model, counts=empty_counts(plan))

    def flat(self) -> Float32s:
        """(3 d + L,) all vectors one after the other."""
        return np.concatenate([self.model, self.velocity, self.average, self.counts])

    def tensors(self) -> dict[str, Float32s]:
        """Name → vector, as files hold them."""
        names = (*TENSORS, COUNTS) if len(self.counts) else TENSORS
        return {name: np.ascontiguousarray(getattr(self, name)) for name in names}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Float32s]) -> ServerState:
        """Inverse of `tensors`.

        Raises
        ------
        KeyError
            A vector is missing.
        """
        counts = {COUNTS: tensors[COUNTS]} if COUNTS in tensors else {}
        return cls(**{name: tensors[name] for name in TENSORS}, **counts)

    def released(self, plan: TrainingPlan) -> Float32s:
        """(d,) the model that nodes serve: the average where the plan averages."""
        return self.average if plan.aggregation.averaging else self.model

    @classmethod
    def from_flat(cls, vector: Float32s, parameters: int) -> ServerState:
        """Inverse of `flat` for d = `parameters`; the caller has checked the length."""
        cuts = [parameters, 2 * parameters, 3 * parameters]
        model, velocity, average, counts = np.split(vector.astype(np.float32, copy=False), cuts)
        return cls(model=model, velocity=velocity, average=average, counts=counts)


def advance(
    state: ServerState, update_sum: Float64s, survivors: Iterable[int], plan: TrainingPlan
) -> ServerState:
    """Apply one round of training and return the next state.

    Parameters
    ----------
    update_sum
        (d,) sum of the survivors' updates, each already multiplied by its public weight.
    survivors
        Partner ids in the sum.
    """
    terms = plan.aggregation
    present = set(survivors)
    weight = sum(plan.weight(p) for p in plan.partners if p.id in present)
    velocity = terms.server_momentum * state.velocity.astype(np.float64) + update_sum / weight
    model = state.model + terms.server_learning_rate * velocity
    kept = terms.averaging
    average = kept * state.average.astype(np.float64) + (1.0 - kept) * model
    return replace(
        state,
        model=model.astype(np.float32),
        velocity=velocity.astype(np.float32),
        average=average.astype(np.float32),
    )
