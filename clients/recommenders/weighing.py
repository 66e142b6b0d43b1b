"""What validation users say about the weights of a fusion.

Weights are those under which users' next items are most likely in the whole catalogue. Of a large
one, each target is compared with the `CANDIDATES` / 2 items that the parts together like best and
as many drawn at random, each of which stands for its share of the rest: the memory goes into more
users instead. (Random candidates alone would do for a model that is exact, McFadden 1978; here
their weights ranked worse, because they say little about the top of the list.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from clients.data.dataset import Float64s, Int64s
from clients.evaluation.metrics import ndcg
from clients.evaluation.ranking import pessimistic_ranks
from clients.evaluation.split import Fold
from clients.recommenders.base import Float32s
from clients.recommenders.choices import Bools, Choices, told_apart
from clients.recommenders.distributions import Part

CANDIDATES: Final = 2048
"""Items that a target is compared with; all of a catalogue that has no more. Even."""
MEMORY: Final = 200 << 20
"""Bytes of log-probabilities held while weights are learned; more users are not looked at."""
ROOM: Final = 12
"""Parts that memory is kept for, so that a fusion with the federation's parts and one without look
at the same users."""
ENOUGH: Final = 20
"""Validation users whose target is cold, or warm, below which no items are told apart."""
BATCH: Final = 64 << 20
"""Bytes of log-probabilities of whole catalogues held at once."""


class Weighing:
    """Validation users, and what each part says about them.

    Parameters
    ----------
    parts
        K parts, fitted without the validation items.
    cold
        (N,) whether each item is one that nobody has met; None tells no items apart.
    validation
        More than `MEMORY` holds are drawn from it with `seed`, as candidates are.
    """

    def __init__(
        self, parts: Mapping[str, Part], cold: Bools | None, validation: Fold, seed: int
    ) -> None:
        self._parts = list(parts.values())
        self._items = self._parts[0].log_probabilities(validation.contexts.take([0])).shape[1]
        self._cold = np.zeros(self._items, dtype=np.bool_) if cold is None else cold
        self._random = np.random.default_rng(seed)
        fitting = max(1, MEMORY // (4 * max(len(parts), ROOM) * min(self._items, CANDIDATES)))
        self.fold = validation.sample(fitting, seed)
        alone = np.zeros((len(parts), len(self.fold)))
        self.choices = self._look(alone)
        self.alone: Float64s = alone
        """(K, B) NDCG@10 of each part."""

    def ndcg(self, weights: Float64s) -> Float64s:
        """(B,) NDCG@10 of the fusion, over the whole catalogue; `weights` as in `Choices`."""
        found = np.zeros(len(self.fold))
        warm, cold, offset = told_apart(weights, len(self._parts))
        by_item = np.where(self._cold, cold[:, None], warm[:, None]).astype(np.float32)
        used = [(p, w) for p, w in zip(self._parts, by_item, strict=True) if w.any()]
        added = (offset * self._cold).astype(np.float32)
        for rows, fold in self._batches():
            logs = [w * part.log_probabilities(fold.contexts) for part, w in used]
            found[rows] = _ndcg(np.sum(logs, axis=0) + added, fold)
        return found

    @property
    def has_both_kinds(self) -> bool:
        """Whether enough users chose warm items, and enough cold ones, to weigh them apart."""
        chosen = self.choices.own_cold
        return bool(min(chosen.sum(), (~chosen).sum()) >= ENOUGH)

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
            cold=self._cold[columns],
            own_cold=self._cold[fold.targets],
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


def _seen(fold: Fold) -> tuple[Int64s, Int64s]:
    rows = np.repeat(np.arange(len(fold)), fold.contexts.lengths)
    return rows, fold.contexts.items.astype(np.int64)


def _ndcg(scores: Float32s, fold: Fold) -> Float64s:
    """(B,) NDCG@10 of `scores`, which are overwritten where items were seen."""
    scores[_seen(fold)] = -np.inf
    return ndcg(pessimistic_ranks(scores, fold.targets), 10)
