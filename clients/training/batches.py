"""Histories as packed tensors: one user is one example."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clients.data.dataset import Histories, Int64s
from shared.models.packing import Packing
from shared.models.sequences import NextEvents, Sequences, gap_buckets


@dataclass(frozen=True, slots=True)
class _Columns:
    """All events of a platform as tensors (E,), in the order of `Histories`."""

    items: Tensor
    events: Tensor
    gaps: Tensor

    @classmethod
    def of(cls, histories: Histories) -> _Columns:
        return cls(
            torch.from_numpy(histories.items.astype(np.int64)),
            torch.from_numpy(histories.events.astype(np.int64)),
            torch.from_numpy(_gaps(histories)),
        )


class TrainingSet:
    """What a platform trains on: each user's events and, for each, the next one.

    Parameters
    ----------
    histories
        Training part of the histories: no validation and no test event in it.
    length
        Most recent events L that become inputs.
    """

    def __init__(self, histories: Histories, length: int) -> None:
        self._columns = _Columns.of(histories)
        kept = np.minimum(histories.lengths, length + 1)
        self._starts = torch.from_numpy(histories.offsets[1:] - kept)
        self._counts = torch.from_numpy(np.maximum(kept - 1, 0))

    @property
    def users(self) -> int:
        """U, users with a single event included: they are sampled and weigh nothing."""
        return len(self._counts)

    @property
    def item_count(self) -> int:
        """One more than the largest item index."""
        items = self._columns.items
        return int(items.max()) + 1 if len(items) else 0

    @property
    def tokens(self) -> int:
        """Number of next-event predictions in one pass over all users."""
        return int(self._counts.sum())

    def batch(self, rows: Int64s | Tensor) -> NextEvents:
        """Training example of the users at `rows` (B,), in that order; B = 0 is fine."""
        rows = torch.as_tensor(rows, dtype=torch.int64)
        packing = Packing.from_lengths(self._counts[rows])
        flat = self._starts[rows][packing.user] + packing.position
        return NextEvents(
            inputs=_sequences(self._columns, packing, flat),
            items=self._columns.items[flat + 1],
            events=self._columns.events[flat + 1],
        )


def recent_sequences(histories: Histories, length: int | Int64s) -> Sequences:
    """Every user's `length` (or (U,) lengths) most recent events, packed."""
    columns = _Columns.of(histories)
    kept = np.minimum(histories.lengths, length)
    packing = Packing.from_lengths(torch.from_numpy(kept))
    starts = torch.from_numpy(histories.offsets[1:] - kept)
    return _sequences(columns, packing, starts[packing.user] + packing.position)


def _sequences(columns: _Columns, packing: Packing, flat: Tensor) -> Sequences:
    return Sequences(
        packing=packing,
        items=columns.items[flat],
        events=columns.events[flat],
        gaps=columns.gaps[flat],
    )


def _gaps(histories: Histories) -> Int64s:
    """Bucket (E,) of the time since the user's previous event; 0 where it is not known."""
    buckets = np.zeros(len(histories.items), dtype=np.int64)
    if not histories.ordinal and len(buckets):
        buckets[1:] = gap_buckets(np.diff(histories.times))
        buckets[histories.offsets[:-1][histories.lengths > 0]] = 0
    return buckets
