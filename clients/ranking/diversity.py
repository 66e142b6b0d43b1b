"""Varied lists: maximal marginal relevance and determinantal point processes, one dial for both.

With relevance r scaled to 0..1 within the pool, unit item vectors v and the dial theta, the next
item of a list S is the one that maximises

- MMR (Carbonell & Goldstein, SIGIR 1998): ``(1 - theta) r_i - theta max_{j in S} cos(v_i, v_j)``;
- DPP (Chen, Zhang & Zhou, NeurIPS 2018, eq. 11):
  ``(1 - theta) r_i + theta log det(K_{S + i}) - theta log det(K_S)`` with the kernel
  ``K = (1 - RIDGE) (1 + V V^T) / 2`` off the diagonal and 1 on it, by their Cholesky update: O(k)
  a candidate and step.

At 0 both are the order of relevance; at 1 relevance only chooses the first item and breaks ties.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from clients.data.dataset import Float64s, Int64s
from clients.ranking.facts import Float32s

RIDGE = 1e-3
"""Keeps the kernel positive definite where items have equal vectors."""


class Variety(Protocol):
    """What the choice of one more item would do for the variety of a list."""

    def gains(self) -> Float64s:
        """(P,) worth of each candidate beside the items chosen so far."""
        ...

    def choose(self, candidate: int) -> None:
        """Take a candidate into the list."""
        ...


class MarginalRelevance:
    """MMR: minus the cosine to the most similar item of the list.

    Parameters
    ----------
    vectors
        (P, d) unit vectors of the candidates.
    """

    def __init__(self, vectors: Float32s) -> None:
        self._vectors = vectors
        self._nearest = np.full(len(vectors), -1.0)
        self._empty = True

    def gains(self) -> Float64s:
        """(P,) minus the largest cosine; 0 for all while the list is empty."""
        return np.zeros(len(self._vectors)) if self._empty else -self._nearest

    def choose(self, candidate: int) -> None:
        """Take a candidate into the list."""
        cosines = self._vectors @ self._vectors[candidate]
        np.maximum(self._nearest, cosines, out=self._nearest)
        self._empty = False


class Determinant:
    """DPP: by how much the log determinant of the list's kernel grows.

    Parameters
    ----------
    vectors
        (P, d) unit vectors of the candidates.
    k
        Most items that will be chosen.
    """

    def __init__(self, vectors: Float32s, k: int) -> None:
        self._vectors = vectors
        self._rows = np.zeros((k, len(vectors)))
        self._chosen = 0
        self._left = np.ones(len(vectors))

    def gains(self) -> Float64s:
        """(P,) log of what is left of each candidate's diagonal: never below log(RIDGE)."""
        return np.asarray(np.log(np.maximum(self._left, RIDGE)))

    def choose(self, candidate: int) -> None:
        """Take a candidate into the list: one more row of the Cholesky factor."""
        rows = self._rows[: self._chosen]
        column = kernel_column(self._vectors, candidate)
        row = (column - rows[:, candidate] @ rows) / np.sqrt(max(self._left[candidate], RIDGE))
        self._rows[self._chosen] = row
        self._left = self._left - row**2
        self._chosen += 1


def kernel_column(vectors: Float32s, candidate: int) -> Float64s:
    """(P,) one column of the kernel K."""
    cosines = (vectors @ vectors[candidate]).astype(np.float64)
    column = (1 - RIDGE) * (1 + cosines) / 2
    column[candidate] = 1.0
    return np.asarray(column)


def select(
    relevance: Float64s, variety: Variety, dial: float, groups: Int64s, cap: int, k: int
) -> tuple[Int64s, bool]:
    """Put a list together, one item after the other.

    Parameters
    ----------
    relevance
        (P,) from 1 (most relevant) to 0, in falling order.
    dial
        theta, 0 to 1.
    groups
        (P,) category of each candidate.
    cap
        Most items of one category; 0: no limit. Where it cannot be kept, it is given up.

    Returns
    -------
    tuple
        At most k positions, best first, and whether the cap was kept.
    """
    open_ = np.ones(len(relevance), dtype=np.bool_)
    used = np.zeros(int(groups.max(initial=-1)) + 1, dtype=np.int64)
    chosen: list[int] = []
    kept = True
    for _ in range(min(k, len(relevance))):
        allowed = open_ & (used[groups] < cap) if cap else open_
        if not allowed.any():
            allowed, kept = open_, False
        # At dial 1 relevance still breaks ties: argmax takes the first, the most relevant.
        worth = (1 - dial) * relevance + (dial * variety.gains() if dial else 0.0)
        best = int(np.argmax(np.where(allowed, worth, -np.inf)))
        chosen.append(best)
        open_[best] = False
        used[groups[best]] += 1
        if dial:
            variety.choose(best)
    return np.array(chosen, dtype=np.int64), kept
