"""What a recommender says as a distribution over the catalogue, which fusions multiply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from clients.data.dataset import Float64s, Histories
from clients.evaluation.ranking import Scorer
from clients.recommenders.base import Float32s

FLOOR: Final = 0.5
"""Weight of the uniform distribution that is mixed with shares, beside 1 for the shares."""


@dataclass(frozen=True, slots=True)
class Part:
    """One recommender in a fusion.

    Attributes
    ----------
    scorer
        The fitted recommender.
    kind
        ``"shares"``: scores are not negative and proportional to probabilities (counts,
        similarities). ``"logits"``: probabilities are the softmax of the scores. ``"offset"``: no
        distribution, scores are added to the logarithms as they are.
    """

    scorer: Scorer
    kind: Literal["shares", "logits", "offset"]

    def log_probabilities(self, histories: Histories) -> Float32s:
        """(B, N) logarithm of the part's distribution, items of the history included.

        Read-only where all users have the same one.
        """
        scores = np.asarray(self.scorer.scores(histories), dtype=np.float32)
        if self.kind == "offset":
            return scores
        same = len(scores) > 1 and scores.strides[0] == 0  # one row that is repeated: work once
        rows = scores[:1] if same else scores
        logs = _log_softmax(rows) if self.kind == "logits" else _log_shares(rows)
        return np.broadcast_to(logs, scores.shape) if same else logs

    def logs_of(self, scores: Float32s, total: float, n_items: int) -> Float64s:
        """(K,) what a part of shares or offsets says of some items, as `log_probabilities` would.

        Parameters
        ----------
        scores
            Of these items.
        total
            Sum of the scores of all `n_items` items of the catalogue.
        """
        if self.kind == "offset":
            return scores.astype(np.float64)
        scale, floor = mixing(np.array([total]), n_items)
        return np.asarray(np.log(scores * scale.astype(np.float32) + floor), dtype=np.float64)

    def gained(self, scores: Float32s, total: float, n_items: int) -> Float32s:
        """(K,) by how much these scores say more than scores of 0; arguments as for `logs_of`."""
        if self.kind == "offset":
            return scores
        scale, floor = mixing(np.array([total]), n_items)
        return np.asarray(np.log1p((scale / floor).astype(np.float32) * scores))


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
    return np.asarray(scores - log_sum_exp(scores)[:, None].astype(np.float32))


def log_sum_exp(scores: Float32s) -> Float64s:
    """(B,) in float64; minus infinity where nothing is left."""
    top = scores.max(axis=1, keepdims=True)
    top[np.isneginf(top)] = 0.0
    shifted = scores - top
    with np.errstate(divide="ignore"):
        sums = np.log(np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64))
    return np.asarray(sums + top[:, 0], dtype=np.float64)
