"""What every recommender of a platform can do, and the history matrix most of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from clients.data.dataset import Catalogue, Float64s, Histories, Int64s

Float32s = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]
"""What a fitted recommender knows, by name, as it stands in a file."""

BACK_OFF = 1e-6
"""Weight of popularity in a sparse score: it orders what is tied, and never overrules the rest."""


class Recommender(Protocol):
    """Learns from a platform's histories, then scores its whole catalogue for any history."""

    def fit(self, histories: Histories, catalogue: Catalogue, /) -> Self:
        """Learn from the training histories; item indices refer to `catalogue`."""
        ...

    def scores(self, histories: Histories, /) -> Float32s:
        """(B, N) score of each item as the next one of each history, larger is better.

        Items of the history are scored like any other; removing them is the ranking's task.
        """
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What each event of one user's history contributes to the scores of T items.

    Attributes
    ----------
    events
        (T, S) float64, S the user's events, oldest first.
    rest
        (T,) float64 what does not come from the history; with the sum of `events` it is the score.
    """

    events: Float64s
    rest: Float64s


@runtime_checkable
class Attributable(Protocol):
    """A recommender that can say which past events its scores come from."""

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """Contributions to the scores of `targets` (T,) for the one user of `history`."""
        ...


class Storable(Recommender, Protocol):
    """A recommender whose fitted state can be written to a file and read again."""

    def state(self) -> Arrays:
        """What `fit` learned; settings are not part of it."""
        ...

    def restore(self, state: Arrays, /) -> Self:
        """Take over what `state` returned, instead of fitting.

        Raises
        ------
        KeyError
            An array is missing.
        """
        ...


def sparse_state(matrix: sparse.csr_array) -> Arrays:
    """A sparse matrix as four arrays; `sparse_of` reads them."""
    return {
        "data": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "shape": np.array(matrix.shape, dtype=np.int64),
    }


def sparse_of(state: Arrays) -> sparse.csr_array:
    """The matrix that `sparse_state` took apart."""
    rows, columns = (int(n) for n in state["shape"])
    parts = (state["data"], state["indices"], state["indptr"])
    return sparse.csr_array(parts, shape=(rows, columns))


def history_matrix(histories: Histories, n_items: int, decay: float = 1.0) -> sparse.csr_array:
    """(B, N) sparse float64 matrix of what each user met.

    Parameters
    ----------
    decay
        Weight ``decay ** age`` of an event, age 0 for the latest. With 1 the matrix is binary;
        otherwise the weights of repeats are added.
    """
    rows = np.repeat(np.arange(len(histories)), histories.lengths)
    weights = decay ** ages(histories)
    matrix = sparse.csr_array((weights, (rows, histories.items)), shape=(len(histories), n_items))
    matrix.sum_duplicates()
    if decay == 1.0:
        matrix.data[:] = 1.0
    return matrix


def event_weights(history: Histories, decay: float) -> Float64s:
    """(S,) weight of each event of one user; those of an item add up to its `history_matrix`."""
    if decay != 1.0:
        return np.asarray(decay ** ages(history), dtype=np.float64)
    _, place, counts = np.unique(history.items, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[place], dtype=np.float64)


def ages(histories: Histories) -> Float64s:
    """(E,) number of later events of the same user: 0 for the latest."""
    last = np.repeat(histories.offsets[1:], histories.lengths) - 1
    return np.asarray(last - np.arange(len(histories.items)), dtype=np.float64)


def relative_popularity(histories: Histories, n_items: int) -> Float32s:
    """(N,) events of each item as a share of the most popular item's."""
    counts = np.bincount(histories.items, minlength=n_items)
    return np.asarray(counts / max(counts.max(initial=0), 1), dtype=np.float32)
