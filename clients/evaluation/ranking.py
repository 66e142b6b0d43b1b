"""Ranks a model's next item among the whole catalogue, in batches of bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clients.data.dataset import Histories, Int32s, Int64s
from clients.evaluation.metrics import ABSENT

Float32s = NDArray[np.float32]

TOP = 20
"""Length of the kept lists of recommendations."""
BATCH_BYTES = 64 << 20
"""Scores held at once."""


class Scorer(Protocol):
    """Anything that scores the whole catalogue for a batch of histories."""

    def scores(self, histories: Histories, /) -> Float32s:
        """(B, N) one score an item, larger is better."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PerUserResult:
    """Where each user's next item was ranked, and what was recommended.

    Attributes
    ----------
    ranks
        (B,) int64 in 1..N; ties and not-a-number count against the model.
    top
        (B, `TOP`) int32 recommended items, best first, without the user's history;
        `clients.evaluation.metrics.ABSENT` where fewer remain.
    """

    ranks: Int64s
    top: Int32s


def evaluate(scorer: Scorer, contexts: Histories, targets: Int32s) -> PerUserResult:
    """Rank `targets` behind `contexts`, the items of the context removed.

    A target inside its own context is removed with it and gets the worst rank.
    """
    ranks = np.empty(len(contexts), dtype=np.int64)
    top = np.full((len(contexts), TOP), ABSENT, dtype=np.int32)
    start, size = 0, 1
    while start < len(contexts):
        rows = np.arange(start, min(start + size, len(contexts)))
        scores = unseen_scores(scorer, contexts.take(rows))
        ranks[rows] = pessimistic_ranks(scores, targets[rows])
        best = top_items(scores, TOP)
        top[rows, : best.shape[1]] = best
        start += len(rows)
        size = max(1, BATCH_BYTES // (4 * scores.shape[1]))
    return PerUserResult(ranks=ranks, top=top)


def unseen_scores(scorer: Scorer, contexts: Histories) -> Float32s:
    """(B, N) scores with minus infinity at the items of each context."""
    scores = np.array(scorer.scores(contexts), dtype=np.float32)
    users = np.repeat(np.arange(len(contexts)), contexts.lengths)
    scores[users, contexts.items] = -np.inf
    return scores


def pessimistic_ranks(scores: Float32s, targets: Int32s) -> Int64s:
    """(B,) 1 + the number of other items that are not strictly worse than the target."""
    own = scores[np.arange(len(targets)), targets]
    worse = (scores < own[:, None]).sum(axis=1)
    return np.asarray(scores.shape[1] - worse, dtype=np.int64)


def top_items(scores: Float32s, k: int) -> Int32s:
    """(B, min(k, N)) best items, best first; `ABSENT` where the score is minus infinity."""
    k = min(k, scores.shape[1])
    if k == scores.shape[1]:
        best = np.broadcast_to(np.arange(k), scores.shape)
    else:
        best = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    values = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    ranked = np.take_along_axis(best, order, axis=1).astype(np.int32)
    ranked[np.isneginf(np.take_along_axis(values, order, axis=1))] = ABSENT
    return ranked
