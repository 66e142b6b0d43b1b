"""Shamir's t-of-n sharing over GF(2^255 - 19).

Shamir, "How to share a secret", CACM 1979. The field is as large as an X25519 seed needs and the
arithmetic is Python's own; it is not constant-time (see ``docs/secure-aggregation.md``, limits).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

PRIME: Final = 2**255 - 19
SHARE_BYTES: Final = 32
WIDE_BYTES: Final = 48
"""Bytes reduced to one field element; the bias is below 2^-128."""


def element(wide: bytes) -> int:
    """Field element from 48 uniform bytes."""
    return int.from_bytes(wide, "little") % PRIME


def elements(wide: bytes) -> list[int]:
    """Field elements from a multiple of 48 uniform bytes."""
    starts = range(0, len(wide), WIDE_BYTES)
    return [element(wide[start : start + WIDE_BYTES]) for start in starts]


def encode(value: int) -> bytes:
    """32 little-endian bytes of a field element."""
    return value.to_bytes(SHARE_BYTES, "little")


def decode(share: bytes) -> int | None:
    """Field element of 32 bytes, or None where the encoding is not the canonical one."""
    value = int.from_bytes(share, "little")
    return value if len(share) == SHARE_BYTES and value < PRIME else None


def split(secret: int, coefficients: Sequence[int], points: Iterable[int]) -> dict[int, bytes]:
    """Shares of `secret` at `points` (non-zero partner ids).

    `coefficients` are the t - 1 uniform higher coefficients, so any t shares give the secret back
    and t - 1 tell nothing about it.
    """
    return {x: encode(_evaluate((secret, *coefficients), x)) for x in points}


def weights(points: Sequence[int]) -> list[int]:
    """Lagrange weights at zero: ``secret = sum(weight * share) mod p``."""
    result = []
    for i in points:
        numerator = denominator = 1
        for j in points:
            if j != i:
                numerator = numerator * j % PRIME
                denominator = denominator * (j - i) % PRIME
        result.append(numerator * pow(denominator, -1, PRIME) % PRIME)
    return result


def combine(shares: Mapping[int, int], lagrange: Sequence[int]) -> int:
    """The secret of exactly t shares, in the order of the points given to `weights`."""
    pairs = zip(shares.values(), lagrange, strict=True)
    return sum(share * weight for share, weight in pairs) % PRIME


def _evaluate(polynomial: Sequence[int], x: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * x + coefficient) % PRIME
    return value
