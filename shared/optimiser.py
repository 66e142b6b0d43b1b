"""The server optimiser: how the mean update becomes the next global model.

It lives in `shared` because every node recomputes it: a node that verified the sum computes the
next model itself and so detects a coordinator that shows it another one. Element-wise float64 in a
fixed order, rounded once to float32, so all parties get the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.plan import Aggregation

Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """Global model and optimiser state after some rounds; all vectors are (d,) float32."""

    model: Float32s
    """The model from which the next round trains."""
    velocity: Float32s
    """Momentum buffer (Hsu et al. 2019, FedAvgM)."""
    average: Float32s
    """Exponential average of the models; equal to `model` when averaging is off."""

    @classmethod
    def start(cls, model: Float32s) -> ServerState:
        """State before the first round."""
        return cls(model=model, velocity=np.zeros_like(model), average=model)


def advance(state: ServerState, mean_update: Float32s, terms: Aggregation) -> ServerState:
    """Apply one round's mean update (d,) and return the next state."""
    velocity = terms.server_momentum * state.velocity.astype(np.float64) + mean_update
    model = state.model + terms.server_learning_rate * velocity
    kept = terms.averaging
    average = kept * state.average.astype(np.float64) + (1.0 - kept) * model
    return ServerState(
        model=model.astype(np.float32),
        velocity=velocity.astype(np.float32),
        average=average.astype(np.float32),
    )
