"""Gradient inversion: which items are behind an update of the behaviour model.

The gradient of the input adapter is a sum over events of outer products with the item vectors that
the LSTM read, that of the output adapter one with the vectors that the loss pulled at. Both are
low-rank for a small batch, so an item of the batch lies in their row space and others do not (for
transformers: Petrov et al., "DAGER", NeurIPS 2024). The output bias is a plain sum: it points away
from the items wanted next. Every catalogue item gets these scores; a logistic regression, fitted on
updates of a partner who helps the attacker, weighs them for what is attacked. No user is needed for
that whom the attacker does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from shared.models.behaviour_parameters import behaviour_schema
from shared.models.config import BehaviourConfig
from shared.models.item_space import public_projection
from shared.models.parameters import Float32s
from simulations.attacks.statistics import Bools, Floats

_CUTS: Final = (1e-8, 1e-2, 1.0)
"""Squared singular values, in units of the largest, from which on a direction counts."""
_TINY: Final = 1e-12


def evidence(config: BehaviourConfig, update: Float32s, vectors: Float32s) -> Floats:
    """(N, 9) scores of every item, each column with mean zero and deviation one.

    Parameters
    ----------
    config
        Shape of the model.
    update
        (P,) what was seen, of one node or summed.
    vectors
        (N, d) item vectors of the catalogue that the attacker suspects.
    """
    arrays = behaviour_schema(config).unflatten(-update)
    seen = _in_adapter_space(config, vectors)
    lengths: Floats = (seen**2).sum(axis=1)
    lengths = np.where(lengths > 0, lengths, 1.0)  # an item without a text is as far as any
    columns = [-seen @ arrays["correction.bias"].astype(np.float64)]
    for gradient in (arrays["adapter.weight"], arrays["correction.weight"].T):
        columns += _along(gradient.astype(np.float64), seen, lengths)
    return np.stack([_standardised(column) for column in columns], axis=1)


class Inversion:
    """The attack, fitted to one kind of update.

    Parameters
    ----------
    known
        (N, 9) `evidence` of updates whose items the attacker's helper knows.
    members
        (N,) which items those were, for each of them.
    """

    def __init__(self, known: Sequence[Floats], members: Sequence[Bools]) -> None:
        self._model = LogisticRegression(class_weight="balanced", max_iter=500)
        self._model.fit(np.concatenate(known), np.concatenate(members))

    def scores(self, found: Floats) -> Floats:
        """(N,) how surely each item is behind the update with the evidence `found` (N, 9)."""
        return np.asarray(self._model.decision_function(found), dtype=np.float64)


def _in_adapter_space(config: BehaviourConfig, vectors: Float32s) -> Floats:
    """Item vectors as the adapters see them."""
    wide = vectors.astype(np.float64)
    if config.adapter_dim == config.item_dim:
        return wide
    return wide @ public_projection(config.item_dim, config.adapter_dim)


def _along(gradient: Floats, vectors: Floats, lengths: Floats) -> list[Floats]:
    """Scores (N,) of vectors by one gradient (width, d).

    For every cut, how little of a vector lies outside of the row space, as minus logarithm; then
    the logarithm of the gradient's squared length along the vector.
    """
    _, singular, basis = np.linalg.svd(gradient, full_matrices=False)
    squares = singular**2 + np.finfo(np.float64).tiny
    shares = (vectors @ basis.T) ** 2 / lengths[:, None]
    outside = [1.0 - shares @ (squares / (squares + cut * squares[0])) for cut in _CUTS]
    energy = shares @ squares
    return [-np.log(np.maximum(o, _TINY)) for o in outside] + [np.log(energy + _TINY * squares[0])]


def _standardised(column: NDArray[np.float64]) -> Floats:
    return np.asarray((column - column.mean()) / (column.std() + _TINY))
