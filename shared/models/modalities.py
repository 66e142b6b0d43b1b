"""Items of several modalities: text, images, audio or whatever a platform has embeddings of.

Every modality is a block of the item vector, whitened by itself as texts are (`item_space`) and
scaled to its weight, so that none drowns another. An item that lacks a modality has zeros there and
its other blocks take the place: every item has length one, and two items are compared by what both
have. Blocks are concatenated, not added: a text never resembles an image by accident. With one
block this is the item space of texts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from shared.models.errors import ItemVectorError
from shared.models.item_space import item_vectors

Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """One modality of a catalogue.

    Attributes
    ----------
    name
        For messages.
    encoded
        (N, D) embeddings; a zero row is an item without this modality.
    dim
        Width of its block; less than D is a public random projection.
    weight
        Share of the item vector's squared length, in proportion to the other modalities'.
    """

    name: str
    encoded: Float32s
    dim: int
    weight: float = 1.0


def fused_item_vectors(modalities: Sequence[Modality], *, shrinkage: float) -> Float32s:
    """One vector an item from all of its modalities.

    Parameters
    ----------
    modalities
        In the order of the blocks; all of the same N items.
    shrinkage
        See `item_vectors`.

    Returns
    -------
    Float32s
        (N, sum of the widths), unit length; zero for an item without any modality.

    Raises
    ------
    ItemVectorError
        No modality, different numbers of items, a weight that is not positive, or what
        `item_vectors` refuses.
    """
    _check(modalities)
    blocks = [
        sqrt(m.weight) * item_vectors(m.encoded, dim=m.dim, shrinkage=shrinkage) for m in modalities
    ]
    joined = np.concatenate(blocks, axis=1)
    lengths = np.linalg.norm(joined, axis=1, keepdims=True)
    unit = np.divide(joined, lengths, out=np.zeros_like(joined), where=lengths > 0)
    return np.asarray(unit, dtype=np.float32)


def _check(modalities: Sequence[Modality]) -> None:
    counts = {len(m.encoded) for m in modalities}
    if len(counts) != 1:
        raise ItemVectorError(f"modalities of {sorted(counts)} items; they must describe the same")
    for modality in modalities:
        if not modality.weight > 0:
            raise ItemVectorError(f"weight {modality.weight}", where=f"modality {modality.name}")
