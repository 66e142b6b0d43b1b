"""What every layer of a privately trainable model has in common: a place to record to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from shared.models.layers.scratch import Scratch

Sums = Mapping[nn.Parameter, Tensor]
"""Sums of gradients by parameter, at least float32."""


class Record(Protocol):
    """One call of a layer: the gradient of every user, not yet summed."""

    @property
    def users(self) -> int:
        """B, the users of the batch."""

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """Parameters that this call contributes gradients to."""

    def squared_norms(self) -> Tensor:
        """(B,) float; squared L2 norm of each user's gradient over all `parameters`."""

    def add_weighted(self, weights: Tensor, kept: Tensor | None, into: Sums) -> None:
        """Add the gradients of the users, each times its weight, to those of `into`; at most once.

        Parameters
        ----------
        weights
            (B,) factors.
        kept
            (B,) bool; users left out leave no trace, not even a NaN. None keeps everybody.
        into
            Sums by parameter, all of one type; parameters that are not in it are left out.
        """

    def join(self, other: Record) -> Record:
        """The record of both calls, for a layer that was called twice."""


class Recorder:
    """Records of one micro-batch by layer.

    Attributes
    ----------
    scratch
        Memory that records may use, the same for all micro-batches of a training.
    """

    def __init__(self, scratch: Scratch | None = None) -> None:
        self.scratch = scratch or Scratch()
        self.records: dict[PrivateLayer, Record] = {}

    def add(self, layer: PrivateLayer, record: Record) -> None:
        """Keep a call; several calls of one layer are positions of the same users."""
        earlier = self.records.get(layer)
        self.records[layer] = record if earlier is None else earlier.join(record)


class PrivateLayer(nn.Module):
    """A layer whose per-user gradients are known; base class of `Linear`, `Embedding`, `LSTM`.

    Attributes
    ----------
    recorder
        Set inside a private step only; with it, a call records instead of summing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.recorder: Recorder | None = None
