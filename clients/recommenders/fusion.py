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
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from clients.data.dataset import Float64s, Histories, Int64s
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import Scorer, pessimistic_ranks
from clients.evaluation.split import Fold
from clients.recommenders.errors import NothingToFuseError

Float32s = NDArray[np.float32]

FLOOR = 0.5
"""Weight of the uniform distribution that is mixed with shares, beside 1 for the shares."""
MEMORY = 200 << 20
"""Bytes of log-probabilities held while weights are learned; more users are not looked at."""


@dataclass(frozen=True, slots=True)
class Part:
    """One recommender in a fusion.

    Attributes
    ----------
    scorer
        The fitted recommender.
    kind
        ``"shares"``: scores are not negative and proportional to probabilities (counts,
        similarities). ``"logits"``: probabilities are the softmax of the scores.
    """

    scorer: Scorer
    kind: Literal["shares", "logits"]

    def log_probabilities(self, histories: Histories) -> Float32s:
        """(B, N) logarithm of the part's distribution, items of the history included.

        Read-only where all users have the same one.
        """
        scores = np.asarray(self.scorer.scores(histories), dtype=np.float32)
        same = len(scores) > 1 and scores.strides[0] == 0  # one row that is repeated: work once
        rows = scores[:1] if same else scores
        logs = _log_softmax(rows) if self.kind == "logits" else _log_shares(rows)
        return np.broadcast_to(logs, scores.shape) if same else logs


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
        Of the choice of users where there are more than `MEMORY` holds.

    Raises
    ------
    NothingToFuseError
        There are no parts or no validation users.
    """
    if not parts or not len(validation):
        raise NothingToFuseError(f"{len(parts)} parts and {len(validation)} validation users")
    table = _Table.of(parts, validation, seed)
    weights = _pruned(table, table.fit(np.ones(len(parts), dtype=bool)))
    alone = {name: table.ndcg(one) for name, one in zip(parts, np.eye(len(parts)), strict=True)}
    reached, best = table.ndcg(weights), max(alone, key=lambda name: alone[name])
    if reached < alone[best]:
        weights = np.array([float(name == best) for name in parts])
    return FusionWeights(
        weights={name: float(w) for name, w in zip(parts, weights, strict=True)},
        ndcg=max(reached, alone[best]),
        alone=alone,
        users=len(table.targets),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """Log-probabilities (K, B, N) of K parts for B users, and where the target stands.

    Items of the history have log-probability -inf in every part: they are no candidates.
    """

    logs: Float32s
    targets: Int64s
    seen: tuple[Int64s, Int64s]

    @classmethod
    def of(cls, parts: Mapping[str, Part], fold: Fold, seed: int) -> _Table:
        first = next(iter(parts.values())).log_probabilities(fold.contexts.take([0]))
        fitting = max(1, MEMORY // (4 * len(parts) * first.shape[1]))
        fold = fold.sample(fitting, seed)
        logs = np.stack([part.log_probabilities(fold.contexts) for part in parts.values()])
        rows = np.repeat(np.arange(len(fold)), fold.contexts.lengths)
        return cls(
            logs, fold.targets.astype(np.int64), (rows, fold.contexts.items.astype(np.int64))
        )

    def fit(self, allowed: NDArray[np.bool_]) -> Float64s:
        """(K,) weights that make the targets most likely; zero where not `allowed`."""
        bounds = [(0.0, None) if a else (0.0, 0.0) for a in allowed]
        start = allowed / max(allowed.sum(), 1)
        found = optimize.minimize(self._loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
        return np.where(found.x < 1e-6, 0.0, found.x)

    def surprise(self, weights: Float64s) -> Float64s:
        """(B,) negative log-likelihood of each user's target under `weights`."""
        scores = self._pooled(weights)
        rows = np.arange(len(self.targets))
        return _log_sum_exp(scores) - scores[rows, self.targets].astype(np.float64)

    def ndcg(self, weights: Float64s) -> float:
        """NDCG@10 of the pool."""
        ranks = pessimistic_ranks(self._pooled(weights), self.targets.astype(np.int32))
        return float(ndcg(ranks, 10).mean())

    def _pooled(self, weights: Float64s) -> Float32s:
        scores = np.tensordot(weights.astype(np.float32), self.logs, axes=1)
        scores[self.seen] = -np.inf
        return scores

    def _loss(self, weights: Float64s) -> tuple[float, Float64s]:
        """Mean negative log-likelihood and its gradient: E_pool[log p_k] - log p_k(target)."""
        scores = self._pooled(weights)
        rows = np.arange(len(self.targets))
        total = _log_sum_exp(scores)
        loss = total - scores[rows, self.targets].astype(np.float64)
        pool = np.exp(scores - total[:, None].astype(np.float32))
        expected = np.einsum("kbn,bn->k", self.logs, pool, optimize=True)
        observed = self.logs[:, rows, self.targets].sum(axis=1)
        return float(loss.mean()), (expected - observed).astype(np.float64) / len(rows)


def _pruned(table: _Table, weights: Float64s) -> Float64s:
    """Leave out, the lightest first, each part whose loss nobody would notice.

    A part stays if, without it, targets are less likely by more than two standard errors of the
    difference over users.
    """
    for index in np.argsort(weights):
        if not weights[index] or np.count_nonzero(weights) == 1:
            continue
        allowed = weights > 0
        allowed[index] = False
        without = table.fit(allowed)
        worse = table.surprise(without) - table.surprise(weights)
        if worse.mean() <= 2 * worse.std() / np.sqrt(len(worse)):
            weights = without
    return weights


def _log_shares(scores: Float32s) -> Float32s:
    """(B, N) log of scores as shares of their sum, mixed with the uniform distribution."""
    scale, floor = mixing(scores.sum(axis=1, keepdims=True, dtype=np.float64), scores.shape[1])
    shares = scores * scale.astype(np.float32)
    shares += floor.astype(np.float32)
    return np.asarray(np.log(shares, out=shares))


def mixing(total: Float64s, n_items: int) -> tuple[Float64s, Float64s]:
    """Scale and floor that turn scores into probabilities: ``scale * score + floor``.

    Parameters
    ----------
    total
        Sums of scores over the catalogue; where one is 0 every item is as likely.
    """
    known = total > 0
    scale = np.divide(1.0, (1 + FLOOR) * total, out=np.zeros_like(total), where=known)
    return scale, np.where(known, FLOOR / (1 + FLOOR), 1.0) / n_items


def nothing_known(n_items: int) -> float:
    """Log-probability of an item for which a part of kind ``"shares"`` has no evidence at all."""
    return float(np.log(FLOOR / n_items / (1 + FLOOR)))


def _log_softmax(scores: Float32s) -> Float32s:
    return np.asarray(scores - _log_sum_exp(scores)[:, None].astype(np.float32))


def _log_sum_exp(scores: Float32s) -> Float64s:
    """(B,) in float64."""
    top = scores.max(axis=1, keepdims=True)
    shifted = scores - top
    sums = np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64)
    return np.asarray(np.log(sums) + top[:, 0], dtype=np.float64)
