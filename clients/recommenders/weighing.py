"""What validation users say about the weights of a fusion: likelihoods, and who is left out.

Weights are those under which users' next items are most likely in the whole catalogue. Of a large
one, each target is compared with the `CANDIDATES` / 2 items that the parts together like best and
as many drawn at random, each of which stands for its share of the rest: the memory goes into more
users instead. (Random candidates alone would do for a model that is exact, McFadden 1978; here
their weights ranked worse, because they say little about the top of the list.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from clients.data.dataset import Float64s, Int64s
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import pessimistic_ranks
from clients.evaluation.split import Fold
from clients.recommenders.base import Float32s
from clients.recommenders.distributions import Part, log_sum_exp

Bools = NDArray[np.bool_]

CANDIDATES: Final = 2048
"""Items that a target is compared with; all of a catalogue that has no more. Even."""
MEMORY: Final = 200 << 20
"""Bytes of log-probabilities held while weights are learned; more users are not looked at."""
ROOM: Final = 10
"""Parts that memory is kept for, so that a fusion with the federation's parts and one without look
at the same users."""
BATCH: Final = 64 << 20
"""Bytes of log-probabilities of whole catalogues held at once."""


class Weighing:
    """Validation users, and what each part says about them.

    Parameters
    ----------
    parts
        K parts, fitted without the validation items.
    validation
        More than `MEMORY` holds are drawn from it with `seed`, as candidates are.
    """

    def __init__(self, parts: Mapping[str, Part], validation: Fold, seed: int) -> None:
        self._parts = list(parts.values())
        self._items = self._parts[0].log_probabilities(validation.contexts.take([0])).shape[1]
        self._random = np.random.default_rng(seed)
        fitting = max(1, MEMORY // (4 * max(len(parts), ROOM) * min(self._items, CANDIDATES)))
        self.fold = validation.sample(fitting, seed)
        alone = np.zeros((len(parts), len(self.fold)))
        self.choices = self._look(alone)
        self.alone: Float64s = alone.mean(axis=1)
        """(K,) NDCG@10 of each part."""

    def ndcg(self, weights: Float64s) -> float:
        """NDCG@10 of the fusion, over the whole catalogue."""
        found = np.zeros(len(self.fold))
        used = [(part, w) for part, w in zip(self._parts, weights, strict=True) if w]
        for rows, fold in self._batches():
            logs = [np.float32(w) * p.log_probabilities(fold.contexts) for p, w in used]
            found[rows] = _ndcg(np.sum(logs, axis=0), fold)
        return float(found.mean())

    def _look(self, alone: Float64s) -> Choices:
        """One pass over whole catalogues; fills `alone` (K, B) and keeps the candidates."""
        kept: list[Choices] = []
        for rows, fold in self._batches():
            logs = np.stack([part.log_probabilities(fold.contexts) for part in self._parts])
            kept.append(self._choices(logs, fold))
            alone[:, rows] = [_ndcg(one, fold) for one in logs]
        return Choices.joined(kept)

    def _choices(self, logs: Float32s, fold: Fold) -> Choices:
        """Candidates of some users, from (K, b, N) log-probabilities."""
        users = np.arange(len(fold))
        liked = logs.mean(axis=0)
        liked[_seen(fold)] = -np.inf
        liked[users, fold.targets] = -np.inf  # held apart
        columns, weight = self._candidates(liked)
        open_ = np.take_along_axis(liked, columns, axis=1) > -np.inf
        half = columns.shape[1] // 2 if weight > 0 else columns.shape[1]
        np.put_along_axis(liked, columns[:, :half], -np.inf, axis=1)  # no candidate twice
        open_[:, half:] = np.take_along_axis(liked, columns[:, half:], axis=1) > -np.inf
        shift = np.where(np.arange(columns.shape[1]) < half, 0.0, weight)
        return Choices(
            logs=np.take_along_axis(logs, columns[None], axis=2),
            own=logs[:, users, fold.targets],
            shift=np.where(open_, shift, -np.inf).astype(np.float32),
        )

    def _candidates(self, liked: Float32s) -> tuple[Int64s, float]:
        """(b, C) the best liked items, then random ones, and the log of what each of these means.

        The whole catalogue, where it is no larger.
        """
        if self._items <= CANDIDATES:
            return np.broadcast_to(np.arange(self._items), liked.shape), 0.0
        half = CANDIDATES // 2
        best = np.argpartition(-liked, half - 1, axis=1)[:, :half]
        rest = self._random.choice(self._items, half, replace=False)
        columns = np.concatenate([best, np.broadcast_to(rest, best.shape)], axis=1)
        return columns, float(np.log(self._items / half))

    def _batches(self) -> Iterator[tuple[slice, Fold]]:
        size = max(1, BATCH // (4 * self._items * len(self._parts)))
        for start in range(0, len(self.fold), size):
            rows = np.arange(start, min(start + size, len(self.fold)))
            yield slice(start, start + len(rows)), self.fold.take(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What K parts say of B users' candidates.

    Attributes
    ----------
    logs
        (K, B, C) log-probabilities of the candidates.
    own
        (K, B) of the targets.
    shift
        (B, C) logarithm of how many items each stands for; minus infinity for what is no candidate.
    """

    logs: Float32s
    own: Float32s
    shift: Float32s

    @classmethod
    def joined(cls, parts: Sequence[Choices]) -> Choices:
        """Of all users of `parts`."""
        return cls(
            logs=np.concatenate([one.logs for one in parts], axis=1),
            own=np.concatenate([one.own for one in parts], axis=1),
            shift=np.concatenate([one.shift for one in parts]),
        )

    def fit(self, allowed: Bools, start: Float64s | None = None) -> Float64s:
        """(K,) weights that make the targets most likely; zero where not `allowed`."""
        bounds = [(0.0, None) if a else (0.0, 0.0) for a in allowed]
        begin = np.ones(len(allowed)) / max(allowed.sum(), 1) if start is None else start
        found = optimize.minimize(
            self._loss, begin * allowed, jac=True, bounds=bounds, method="L-BFGS-B"
        )
        return np.where(found.x < 1e-6, 0.0, found.x)

    def surprise(self, weights: Float64s) -> Float64s:
        """(B,) negative log-likelihood of each user's target under `weights`."""
        _, own, total = self._pooled(weights)
        return total - own

    def _loss(self, weights: Float64s) -> tuple[float, Float64s]:
        """Mean negative log-likelihood and its gradient: E_pool[log p_k] - log p_k(target)."""
        scores, own, total = self._pooled(weights)
        pool = np.exp(scores - total[:, None].astype(np.float32))
        expected = np.einsum("kbc,bc->k", self.logs, pool, optimize=True)
        expected = expected + (self.own * (np.exp(own - total) - 1.0)).sum(axis=1)
        return float((total - own).mean()), expected.astype(np.float64) / len(own)

    def _pooled(self, weights: Float64s) -> tuple[Float32s, Float64s, Float64s]:
        """(B, C) scores, (B,) scores of the targets and logarithm of everything summed."""
        scores = np.tensordot(weights.astype(np.float32), self.logs, axes=1) + self.shift
        own = weights @ self.own.astype(np.float64)
        return scores, own, np.logaddexp(log_sum_exp(scores), own)


def without_the_unneeded(choices: Choices, weights: Float64s) -> Float64s:
    """Leave out, the lightest first, each part whose loss nobody would notice.

    A part stays if, without it, targets are less likely by more than two standard errors of the
    difference over users.
    """
    for index in np.argsort(weights):
        if not weights[index] or np.count_nonzero(weights) == 1:
            continue
        allowed = weights > 0
        allowed[index] = False
        without = choices.fit(allowed, weights)
        worse = choices.surprise(without) - choices.surprise(weights)
        if worse.mean() <= 2 * worse.std() / np.sqrt(len(worse)):
            weights = without
    return weights


def _seen(fold: Fold) -> tuple[Int64s, Int64s]:
    rows = np.repeat(np.arange(len(fold)), fold.contexts.lengths)
    return rows, fold.contexts.items.astype(np.int64)


def _ndcg(scores: Float32s, fold: Fold) -> Float64s:
    """(B,) NDCG@10 of `scores`, which are overwritten where items were seen."""
    scores[_seen(fold)] = -np.inf
    return ndcg(pessimistic_ranks(scores, fold.targets), 10)
