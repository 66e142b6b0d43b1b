"""From encoded texts to the item space that all nodes share.

Each node does this to its own catalogue, with public constants only: reduce the encoder's vectors
with a projection that is the same everywhere, centre them, whiten them softly, scale them to length
one. Whitening is ZCA (Kessy, Lewin & Strimmer, The American Statistician 2018): of all whitenings
the one closest to the identity, so that spaces whitened at different nodes keep common axes. The
share of the mean eigenvalue added before keeps noise directions small. Texts are private, so no
statistic is pooled between nodes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.models.errors import ItemVectorError

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]

PROJECTION_SEED: Final = 15788
"""Public constant from which every node draws the same projection."""

_TINY: Final = 1e-9


def item_vectors(encoded: Float32s, *, dim: int, shrinkage: float) -> Float32s:
    """Map encoded texts into the shared item space.

    Parameters
    ----------
    encoded
        (N, D) encoder output; a zero row is an item without text.
    dim
        Length of an item vector; D itself leaves the encoder's dimensions alone.
    shrinkage
        Share of the mean eigenvalue added before whitening.

    Returns
    -------
    Float32s
        (N, dim), unit length; zero where there is no text.

    Raises
    ------
    ItemVectorError
        `encoded` is not a finite matrix with at least `dim` columns.
    """
    if encoded.ndim != 2 or encoded.shape[1] < dim or not np.isfinite(encoded).all():
        problem = f"encoded texts of shape {encoded.shape} cannot become {dim}-dimensional items"
        raise ItemVectorError(problem, remedy="lower item_dim or choose another encoder")
    present = np.linalg.norm(encoded, axis=1) > _TINY
    vectors = np.zeros((len(encoded), dim), dtype=np.float32)
    if present.any():
        reduced = reduce_dimension(encoded[present].astype(np.float64), dim)
        vectors[present] = whiten(reduced, shrinkage).astype(np.float32)
    return vectors


def reduce_dimension(vectors: Float64s, dim: int) -> Float64s:
    """Project (N, D) onto `dim` directions that are random, public and the same everywhere."""
    width = vectors.shape[1]
    return vectors if width == dim else vectors @ public_projection(width, dim)


@lru_cache(maxsize=8)
def public_projection(width: int, dim: int) -> Float64s:
    """Orthonormal columns (width, dim), uniformly distributed (Mezzadri, AMS Notices 2007)."""
    gaussian = np.random.default_rng(PROJECTION_SEED).standard_normal((width, dim))
    basis, upper = np.linalg.qr(gaussian)
    projection = np.asarray(basis * np.sign(np.diag(upper)), dtype=np.float64)
    projection.setflags(write=False)  # shared by all callers
    return projection


def whiten(vectors: Float64s, shrinkage: float) -> Float64s:
    """Centre (N, d) vectors of one catalogue, whiten them softly and scale them to length one."""
    centred = _unit(vectors) - _unit(vectors).mean(axis=0)
    values, basis = np.linalg.eigh(centred.T @ centred / len(centred))
    values = np.maximum(values, 0.0)
    scale = 1.0 / np.sqrt(values + shrinkage * values.mean() + _TINY)
    return _unit(centred @ (basis * scale) @ basis.T)


def _unit(vectors: Float64s) -> Float64s:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, _TINY), dtype=np.float64)
