"""The shared parameters as one flat vector, with the schema that says what stands where.

What travels, is masked, averaged and hashed is a float32 vector; what trains is a set of named
arrays. The schema is the bridge: names and shapes in a fixed order. The digest of a model covers
schema and values, so equal digests mean equal models. Numpy only: the coordinator has no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.hashing import digest
from shared.models.errors import ParameterVectorError, SchemaError

Float32s = NDArray[np.float32]

SCHEMA_LABEL: Final = "isthmus parameter schema 1"
MODEL_LABEL: Final = "isthmus parameters 1"


@dataclass(frozen=True)
class ParameterSchema:
    """Names and shapes of the parameters, in the order in which they lie in the vector.

    Attributes
    ----------
    entries
        ``(name, shape)`` pairs; names are unique.

    Raises
    ------
    SchemaError
        A name appears twice or a dimension is not positive.
    """

    entries: tuple[tuple[str, tuple[int, ...]], ...]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.entries]
        if len(set(names)) != len(names):
            raise SchemaError(f"parameter names are not unique: {names}")
        for name, shape in self.entries:
            if any(length <= 0 for length in shape):
                raise SchemaError(f"parameter {name!r} has the empty shape {shape}")

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.generic]]) -> ParameterSchema:
        """Schema of named arrays, in their order."""
        return cls(tuple((name, tuple(array.shape)) for name, array in arrays.items()))

    @cached_property
    def size(self) -> int:
        """Length P of the vector."""
        return sum(prod(shape) for _, shape in self.entries)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) over names, shapes and order: what a plan pins."""
        return digest(SCHEMA_LABEL, self._canonical()).hex()

    def _canonical(self) -> bytes:
        return json.dumps(self.entries, separators=(",", ":")).encode()

    def flatten(self, arrays: Mapping[str, NDArray[np.float32]]) -> Float32s:
        """Lay named arrays out as one (P,) float32 vector.

        Raises
        ------
        SchemaError
            A name is missing or unknown, or a shape differs.
        """
        unknown = set(arrays) - {name for name, _ in self.entries}
        if unknown:
            raise SchemaError(f"unknown parameters {sorted(unknown)}")
        pieces = [_fitting(arrays, name, shape) for name, shape in self.entries]
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)

    def unflatten(self, vector: Float32s) -> dict[str, Float32s]:
        """Cut a vector into named arrays (views into `vector`).

        Raises
        ------
        ParameterVectorError
            See `check`.
        """
        self.check(vector)
        arrays, start = {}, 0
        for name, shape in self.entries:
            stop = start + prod(shape)
            arrays[name] = vector[start:stop].reshape(shape)
            start = stop
        return arrays

    def check(self, vector: NDArray[np.generic]) -> None:
        """Refuse a vector that is not (P,) float32 with finite values.

        Raises
        ------
        ParameterVectorError
            Wrong type, length or a value that is not finite.
        """
        if vector.dtype != np.float32 or vector.shape != (self.size,):
            found = f"{vector.dtype} of shape {vector.shape}"
            raise ParameterVectorError(f"expected float32 of shape ({self.size},), found {found}")
        bad = np.flatnonzero(~np.isfinite(vector))
        if len(bad):
            problem = f"{len(bad)} of {self.size} parameters are not finite"
            raise ParameterVectorError(problem, where=f"position {bad[0]}")

    def digest(self, vector: Float32s) -> bytes:
        """sha256 (32 bytes) over the schema and the vector's little-endian bytes.

        Raises
        ------
        ParameterVectorError
            See `check`.
        """
        self.check(vector)
        return digest(MODEL_LABEL, self._canonical(), vector.astype("<f4", copy=False).tobytes())


def _fitting(
    arrays: Mapping[str, NDArray[np.float32]], name: str, shape: tuple[int, ...]
) -> Float32s:
    array = arrays.get(name)
    if array is None:
        raise SchemaError(f"parameter {name!r} is missing")
    if array.shape != shape or array.dtype != np.float32:
        found = f"{array.dtype} of shape {array.shape}"
        raise SchemaError(f"parameter {name!r} should be float32 of shape {shape}, found {found}")
    return array.reshape(-1)
