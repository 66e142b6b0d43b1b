"""Events of several users as the behaviour model reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.models.config import GAP_BUCKETS
from shared.models.packing import Packing

_GAP_BASE: Final = 3.0
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """Packed events of B users, S in all, oldest first.

    Attributes
    ----------
    packing
        Which token belongs to which user.
    items, events, gaps
        (S,) int64: item index, event type, bucket of the time since the user's previous event.
    """

    packing: Packing
    items: Tensor
    events: Tensor
    gaps: Tensor

    def to(self, device: torch.device) -> Sequences:
        """The same events on another device."""
        return Sequences(
            packing=self.packing.to(device),
            items=self.items.to(device),
            events=self.events.to(device),
            gaps=self.gaps.to(device),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NextEvents:
    """Sequences and, for each of their events, the one that came next.

    Attributes
    ----------
    inputs
        B users, S events.
    items, events
        (S,) int64: item index and event type of the following event.
    """

    inputs: Sequences
    items: Tensor
    events: Tensor

    def to(self, device: torch.device) -> NextEvents:
        """The same events on another device."""
        return NextEvents(
            inputs=self.inputs.to(device),
            items=self.items.to(device),
            events=self.events.to(device),
        )


def gap_buckets(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bucket times between events: 1 is below two minutes, each further one three times as long.

    Bucket 0 stands for a time that is not known and is never returned.
    """
    minutes = np.maximum(seconds, 0.0) / _MINUTE
    bucket = 1 + np.floor(np.log1p(minutes) / np.log(_GAP_BASE)).astype(np.int64)
    return np.asarray(np.minimum(bucket, GAP_BUCKETS - 1), dtype=np.int64)
