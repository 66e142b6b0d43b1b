"""The ranking that users get: a platform's recommenders, weighed on its own validation items.

Every part gives a distribution over the catalogue; the fusion multiplies them, each raised to its
weight (logarithmic opinion pool, Genest & Zidek, Statistical Science 1986)::

    log p(item) = sum_k weight_k * log p_k(item) + constant

so the contribution of each part to each item is one exact summand. The weights are those, not
negative, under which the validation items are most likely: a convex problem without settings. A
part that does not pay is left out: its weight is zero and the fusion says so. What others trained
or counted is taken only if all of it together makes the platform's choices clearly likelier. If the
best part alone ranks the validation items clearly better than the result, it is served alone.

Cold items, which nobody at the platform has met, get weights of their own and an offset, where
validation users chose enough of them and Akaike's criterion says that it pays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from clients.data.dataset import Float64s, Histories, Int64s
from clients.evaluation.split import Fold
from clients.recommenders.base import Float32s
from clients.recommenders.choices import Bools, told_apart, without_the_unneeded
from clients.recommenders.cold_items import ColdItems
from clients.recommenders.distributions import Part
from clients.recommenders.errors import NothingToFuseError
from clients.recommenders.weighing import Weighing

COLD_PART: Final = "cold_items"
"""The part that says which items are cold; its weight is the offset of these."""
SURE: Final = 2.0
"""Standard errors by which what comes from others has to help: refusing it is the default."""
NOTHING_APART: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionWeights:
    """What was learned on validation items.

    Attributes
    ----------
    weights
        Part → weight; 0 for a part that does not help.
    cold
        Part → weight on cold items, `COLD_PART` → their offset, of either sign. Empty: cold items
        are weighed like all others.
    ndcg
        NDCG@10 of the fusion on the validation users looked at.
    alone
        Part → its NDCG@10 alone on the same users.
    users
        How many were looked at.
    """

    weights: dict[str, float]
    cold: dict[str, float] = field(default_factory=dict)
    ndcg: float
    alone: dict[str, float]
    users: int

    @property
    def used(self) -> frozenset[str]:
        """Parts that weigh something on some items."""
        return frozenset(n for n, weight in self.weights.items() if weight or self.cold.get(n))

    @property
    def unused(self) -> tuple[str, ...]:
        """Parts that weigh nothing on any item."""
        return tuple(name for name in self.weights if name not in self.used)

    def fusion(self, parts: Mapping[str, Part]) -> Fusion:
        """`parts` under these weights; they may be fitted on more data than the weights were."""
        return Fusion(parts, self.weights, self.cold)


@dataclass(frozen=True, slots=True)
class ItemWeights:
    """A part's weight on each item.

    Attributes
    ----------
    values
        () if it is one for all items, else (N,).
    """

    values: Float32s

    def at(self, items: Int64s) -> Float32s:
        """() or (K,) weights on `items`."""
        return self.values[items] if self.values.ndim else self.values

    @property
    def differ(self) -> bool:
        """Whether some items have another weight than others."""
        return bool(self.values.min() < self.values.max())


class Fusion:
    """Parts under given weights; parts may be fitted on more data than the weights were.

    Parameters
    ----------
    parts, weights
        By name; every weight names a part.
    cold
        Weights on cold items, see `FusionWeights`; not empty only where a part is `COLD_PART`.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        weights: Mapping[str, float],
        cold: Mapping[str, float] = NOTHING_APART,
    ) -> None:
        mask = _cold_items(parts) if cold else None
        by_item = {
            name: _by_item(weights.get(name, 0.0), cold.get(name, 0.0), mask)
            for name in {**weights, **cold}
        }
        self._used = {
            name: (parts[name], ItemWeights(values))
            for name, values in by_item.items()
            if values.any()
        }
        if not self._used.keys() - {COLD_PART}:
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
            found[name] = np.multiply(logs, weight.values, out=target)
        return found

    @property
    def parts(self) -> Mapping[str, tuple[Part, ItemWeights]]:
        """The parts in use and their weights."""
        return self._used


def learn_weights(
    parts: Mapping[str, Part], validation: Fold, *, joined: Collection[str] = (), seed: int = 0
) -> FusionWeights:
    """Weigh `parts`, fitted without the validation items, on `validation`.

    Parameters
    ----------
    parts
        Cold items are told apart if one of them is `COLD_PART`.
    joined
        Names of parts that come from others. Unless these together explain validation items better
        by `SURE` standard errors, the weights are those of the other parts alone.
    seed
        Of the choice of users and of candidates where there are more than memory is set aside for.

    Raises
    ------
    NothingToFuseError
        There are no parts or no validation users.
    """
    weighed = {name: part for name, part in parts.items() if name != COLD_PART}
    if not weighed or not len(validation):
        raise NothingToFuseError(f"{len(weighed)} parts and {len(validation)} validation users")
    cold = _cold_items(parts) if COLD_PART in parts else None
    weighing = Weighing(weighed, cold, validation, seed)
    weights = _best(weighing, np.ones(len(weighed), dtype=np.bool_))
    own = np.array([name not in joined for name in weighed])
    if own.all() or not own.any() or _pays(weighing, weights, _best(weighing, own)):
        return _learned(weighing, list(weighed), weights)
    rest = {name: part for name, part in parts.items() if name not in joined}
    found = learn_weights(rest, validation, seed=seed)
    unused = dict.fromkeys(weighed, 0.0)
    return replace(found, weights=unused | found.weights, alone=_alone(weighing, weighed))


def _learned(weighing: Weighing, names: Sequence[str], weights: Float64s) -> FusionWeights:
    """`weights`, or the best part alone where that is to be served, with what is said of them."""
    weights, reached = _served(weighing, weights)
    warm, cold, offset = told_apart(weights, len(names))
    told = {**_named(names, cold), COLD_PART: offset} if len(weights) > len(names) else {}
    return FusionWeights(
        weights=_named(names, warm),
        cold=told,
        ndcg=float(reached.mean()),
        alone=_alone(weighing, names),
        users=len(weighing.fold),
    )


def _alone(weighing: Weighing, names: Iterable[str]) -> dict[str, float]:
    """NDCG@10 of each part by itself."""
    return _named(names, weighing.alone.mean(axis=1))


def _served(weighing: Weighing, weights: Float64s) -> tuple[Float64s, Float64s]:
    """`weights` and their (B,) NDCG@10, or the best part alone where it leads or nothing weighs."""
    count = len(weighing.alone)
    best = int(np.argmax(weighing.alone.mean(axis=1)))
    if weights[: 2 * count].any():
        reached = weighing.ndcg(weights)
        if not _clearly_better(weighing.alone[best], reached):
            return weights, reached
    return np.eye(count)[best], weighing.alone[best]


def _pays(weighing: Weighing, weights: Float64s, own: Float64s) -> bool:
    """Whether `weights` are clearly better than those of a platform's `own` parts."""
    return weighing.choices.explains_better(weights, own, sure=SURE)


def _clearly_better(one: Float64s, other: Float64s) -> bool:
    """Whether NDCG@10 `one` (B,) exceeds `other` by two standard errors of the difference.

    The best of several parts on few users owes much to luck: of 300 users its lead means nothing.
    """
    lead = one - other
    return bool(lead.mean() > SURE * lead.std() / np.sqrt(len(lead)))


def _best(weighing: Weighing, allowed: Bools) -> Float64s:
    """Weights of the `allowed` parts, with cold items told apart where that is better."""
    choices = weighing.choices
    weights = without_the_unneeded(choices, choices.fit(allowed))
    if weighing.has_both_kinds:
        open_ = np.concatenate([weights > 0, choices.speak_of_cold() & allowed, [True]])
        start = np.concatenate([weights, np.maximum(weights, 1 / len(allowed)), [0.0]])
        apart = without_the_unneeded(choices, choices.fit(open_, start))
        weights = apart if choices.explains_better(apart, weights) else weights
    return weights


def _by_item(weight: float, cold: float, mask: Bools | None) -> Float32s:
    """() or (N,) weights of a part on each item."""
    if mask is None:
        return np.asarray(weight, dtype=np.float32)
    return np.where(mask, cold, weight).astype(np.float32)


def _cold_items(parts: Mapping[str, Part]) -> Bools:
    scorer = parts[COLD_PART].scorer
    if not isinstance(scorer, ColdItems):
        raise TypeError(f"{COLD_PART} is a {type(scorer).__name__}")
    return scorer.mask


def _named(names: Iterable[str], values: Float64s) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
