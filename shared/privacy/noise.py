"""Gaussian noise from a cryptographic generator.

numpy's and torch's generators are predictable from their output; whoever can predict the noise can
subtract it. Here uniform numbers come from AES-256 in counter mode under a fresh key from the
operating system (forward only, never seeded, never logged) and become normal ones by Box & Muller
(1958): the radius in float64 from 53 bits, so that the tails reach 8.6 standard deviations, the
direction on a grid of 2**24.

What this does not protect against: the noise is a rounded floating-point number, and which numbers
can come out depends in principle on the sum it is added to (Mironov 2012; Casacuberta et al. 2022).
The accountant analyses real numbers. Secure aggregation rounds updates to a fixed grid after the
noise, which coarsens but does not remove the effect; see ``docs/privacy.md``.
"""

from __future__ import annotations

import math
import os
from typing import Final, final

import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from torch import Tensor

_MANTISSA: Final = 53
_DIRECTIONS: Final = 1 << 24


@final
class KeyStream:
    """Random bytes from AES-256-CTR under a key that only this object ever holds.

    Not to be shared across processes: after a fork both copies would give the same bytes, so a
    forked copy takes a new key.
    """

    def __init__(self) -> None:
        self._plain = b""
        self._renew()

    def bytes(self, count: int) -> bytearray:
        """`count` fresh random bytes."""
        if os.getpid() != self._process:
            self._renew()
        block = bytearray(count + 15)  # the cipher wants room for one more block
        self._encryptor.update_into(self._zeros(count), block)
        del block[count:]
        return block

    def integers(self, count: int) -> Tensor:
        """(count,) int64, uniform over ``0 .. 2**53 - 1``."""
        if not count:
            return torch.empty(0, dtype=torch.int64)
        words = torch.frombuffer(self.bytes(8 * count), dtype=torch.int64)
        return words.bitwise_and_((1 << _MANTISSA) - 1)

    def angles(self, count: int) -> Tensor:
        """(count,) float32, uniform over 2**24 directions of the circle, in radians."""
        if not count:
            return torch.empty(0)
        words = torch.frombuffer(self.bytes(4 * count), dtype=torch.int32)
        return words.bitwise_and_(_DIRECTIONS - 1).float().mul_(2 * math.pi / _DIRECTIONS)

    def _zeros(self, count: int) -> memoryview:
        """What the cipher encrypts: kept, because allocating it would cost as much as AES."""
        if len(self._plain) < count:
            self._plain = bytes(count)
        return memoryview(self._plain)[:count]

    def _renew(self) -> None:
        cipher = Cipher(algorithms.AES256(os.urandom(32)), modes.CTR(os.urandom(16)))
        self._encryptor = cipher.encryptor()
        self._process = os.getpid()


@final
class SecureGaussian:
    """Independent standard normal numbers that nobody can predict."""

    def __init__(self) -> None:
        self._stream = KeyStream()

    def draw(self, count: int) -> Tensor:
        """(count,) float32 on the CPU."""
        pairs = (count + 1) // 2
        radius = radii(self._stream.integers(pairs))
        angle = self._stream.angles(pairs)
        normals = torch.empty(2 * pairs)
        torch.mul(angle.cos(), radius, out=normals[:pairs])
        torch.mul(angle.sin_(), radius, out=normals[pairs:])
        return normals[:count]


def radii(grid: Tensor) -> Tensor:
    """(n,) float32, ``sqrt(-2 log u)`` for ``u = (grid + 1/2) 2**-53``; grid (n,) int64.

    The logarithm is taken of the grid number itself, in float64; what is then left is of order 1
    and its root as good in float32. The last grid numbers round to ``u = 1``, which gives 0.
    """
    log = grid.double().add_(0.5).log_().sub_(_MANTISSA * math.log(2))
    return log.float().mul_(-2).clamp_min_(0).sqrt_()
