"""Fixed-point numbers in a ring, sized so that no sum can wrap.

With N partners and a ring of k bits every partner's integers lie in ±B, B = ⌊(2^(k-1) - 1) / N⌋, so
the centred lift of the sum is the exact integer sum whatever the data are. One step is A / B for
values clipped to ±A.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shared.secagg.errors import UnusableUpdateError
from shared.secagg.masks import Ring

_BLOCK: Final = 1 << 16
_UNSIGNED: Final[dict[int, np.dtype[np.unsignedinteger[Any]]]] = {
    16: np.dtype("<u2"),
    32: np.dtype("<u4"),
}
_SIGNED: Final[dict[int, np.dtype[np.signedinteger[Any]]]] = {
    16: np.dtype("<i2"),
    32: np.dtype("<i4"),
}
RING_BITS: Final = tuple(_UNSIGNED)


def ring_dtype(bits: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Little-endian unsigned type of Z/2^bits."""
    return _UNSIGNED[bits]


def bound(partners: int, bits: int) -> int:
    """Largest absolute integer B of one partner: `partners` of them cannot wrap `bits` bits."""
    return ((1 << (bits - 1)) - 1) // partners


def signed(vector: Ring) -> NDArray[np.signedinteger[Any]]:
    """Centred lift: the same memory read as two's complement."""
    return vector.view(_SIGNED[8 * vector.itemsize])


def check_update(update: NDArray[Any], length: int) -> None:
    """Refuse what cannot be quantised.

    Raises
    ------
    UnusableUpdateError
        Not a contiguous (length,) float32 or float64 array, or NaN or infinite somewhere.
    """
    if update.dtype not in (np.float32, np.float64) or update.shape != (length,):
        raise UnusableUpdateError(
            f"update is {update.dtype}{update.shape}, expected float32({length},)"
        )
    if not update.flags.c_contiguous:
        raise UnusableUpdateError("update is not contiguous in memory")
    for start, block in _blocks(update):
        if not np.isfinite(block).all():
            row = start + int(np.flatnonzero(~np.isfinite(block))[0])
            raise UnusableUpdateError(f"update holds {update[row]}", where=f"coordinate {row}")


def quantise(update: NDArray[Any], *, clip: float, limit: int, bits: int, out: Ring) -> None:
    """Write ``clip(rint(x * B / A), ±B)`` as ring elements into `out`.

    `out` may be the memory of `update` itself (32 bits: ``update.view("<u4")``); each block is read
    before it is written.
    """
    lifted = out.view(_SIGNED[bits])
    scratch = np.empty(min(_BLOCK, update.size), np.float64)
    for start, block in _blocks(update):
        values = scratch[: block.size]
        np.copyto(values, block)
        np.multiply(values, limit / clip, out=values)
        np.rint(values, out=values)
        if _exceeds(block, clip):  # looking costs less than clipping every block
            np.clip(values, -limit, limit, out=values)
        lifted[start : start + block.size] = values


def dequantise(
    vector: Ring, *, clip: float, limit: int, dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    """Real values of ring elements, shape (d,)."""
    lifted, step = signed(vector), np.asarray(clip / limit, dtype)
    # In one pass; an int32 becomes a float32 by rounding, which numpy does only where told to.
    values: NDArray[Any] = np.multiply(lifted, step, dtype=dtype, casting="unsafe")
    return values


def _exceeds(block: NDArray[Any], clip: float) -> bool:
    """Compared in float64: a float32 of 0.1 is more than 0.1."""
    return float(block.max()) > clip or float(block.min()) < -clip


def _blocks(vector: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    for start in range(0, vector.size, _BLOCK):
        yield start, vector[start : start + _BLOCK]
