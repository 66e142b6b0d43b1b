"""The ranking that users get: a platform's recommenders, weighed on its own validation items.

Every part gives a distribution over the catalogue; the fusion multiplies them, each raised to its
weight (logarithmic opinion pool, Genest & Zidek, Statistical Science 1986)::

    log p(item) = sum_k weight_k * log p_k(item) + constant

so the contribution of each part to each item is one exact summand. The weights are those, not
negative, under which the validation items are most likely: a convex problem without settings. A
part that does not pay is left out: its weight is zero and the fusion says so. If the result ranks
the validation items worse than the best part alone, that part is served alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clients.data.dataset import Histories
from clients.evaluation.split import Fold
from clients.recommenders.base import Float32s
from clients.recommenders.distributions import Part
from clients.recommenders.errors import NothingToFuseError
from clients.recommenders.weighing import Weighing, without_the_unneeded


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionWeights:
    """What was learned on validation items.

    Attributes
    ----------
    weights
        Part → weight; 0 for a part that does not help.
    ndcg
        NDCG@10 of the fusion on the validation users looked at.
    alone
        Part → its NDCG@10 alone on the same users.
    users
        How many were looked at.
    """

    weights: dict[str, float]
    ndcg: float
    alone: dict[str, float]
    users: int

    @property
    def unused(self) -> tuple[str, ...]:
        """Parts whose weight is zero."""
        return tuple(name for name, weight in self.weights.items() if weight == 0)


class Fusion:
    """Parts under given weights; parts may be fitted on more data than the weights were.

    Parameters
    ----------
    parts, weights
        By name; every weight names a part.
    """

    def __init__(self, parts: Mapping[str, Part], weights: Mapping[str, float]) -> None:
        self._used = {name: (parts[name], weight) for name, weight in weights.items() if weight}
        if not self._used:
            raise NothingToFuseError("no part of the fusion has a weight")

    def scores(self, histories: Histories, /) -> Float32s:
        """(B, N) weighted sum of the parts' log-probabilities, larger is better."""
        summands = list(self.contributions(histories).values())
        return np.asarray(np.sum(summands, axis=0), dtype=np.float32)

    def contributions(self, histories: Histories) -> dict[str, Float32s]:
        """Part → (B, N) its summand in `scores`; they add up to it exactly."""
        found = {}
        for name, (part, weight) in self._used.items():
            logs = part.log_probabilities(histories)
            target = logs if logs.flags.writeable else None  # no copy of a catalogue's size
            found[name] = np.multiply(logs, np.float32(weight), out=target)
        return found

    @property
    def parts(self) -> Mapping[str, tuple[Part, float]]:
        """The parts in use and their weights."""
        return self._used


def learn_weights(parts: Mapping[str, Part], validation: Fold, *, seed: int = 0) -> FusionWeights:
    """Weigh `parts`, fitted without the validation items, on `validation`.

    Parameters
    ----------
    seed
        Of the choice of users and of candidates where there are more than memory is set aside for.

    Raises
    ------
    NothingToFuseError
        There are no parts or no validation users.
    """
    if not parts or not len(validation):
        raise NothingToFuseError(f"{len(parts)} parts and {len(validation)} validation users")
    weighing = Weighing(parts, validation, seed)
    choices = weighing.choices
    weights = without_the_unneeded(choices, choices.fit(np.ones(len(parts), dtype=bool)))
    reached, best = weighing.ndcg(weights), int(np.argmax(weighing.alone))
    if reached < weighing.alone[best]:
        weights = np.eye(len(parts))[best]
    return FusionWeights(
        weights={name: float(w) for name, w in zip(parts, weights, strict=True)},
        ndcg=max(reached, float(weighing.alone[best])),
        alone={name: float(a) for name, a in zip(parts, weighing.alone, strict=True)},
        users=len(weighing.fold),
    )
