"""The alternatives: a plain float32 sum, Flower's SecAgg+ functions, CKKS through TenSEAL."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module

import numpy as np
from flwr.common.secure_aggregation.ndarrays_arithmetic import (
    factor_combine,
    parameters_addition,
    parameters_mod,
    parameters_multiply,
    parameters_subtraction,
)
from flwr.common.secure_aggregation.quantization import dequantize, quantize
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
from numpy.typing import NDArray

from benchmarks.secagg.ours import CLIP

TARGET = 1 << 22
MODULUS = 1 << 32


class PlainFloat32:
    """No protection at all."""

    def __init__(self, d: int) -> None:
        self._out, self._total = np.empty(d, np.float32), np.zeros(d, np.float32)

    def client(self, update: NDArray[np.float32]) -> Callable[[], object]:
        """Weighting the update."""
        return lambda: np.multiply(update, np.float32(0.1), out=self._out)

    def add_upload(self) -> Callable[[], object]:
        """Adding one upload."""
        return lambda: np.add(self._total, self._out, out=self._total)


class Flower:
    """The functions of Flower's SecAgg+ in the order of its client mod and its workflow."""

    def __init__(self, n: int, d: int) -> None:
        self.n, self.d = n, d
        self._seeds = [os.urandom(32) for _ in range(n)]
        self._upload = [np.zeros(d, np.int64)]
        self._total = [np.zeros(d, np.int64)]

    def client(self, update: NDArray[np.float32]) -> Callable[[], object]:
        """Weighting, quantisation, one private and n - 1 pairwise masks (no key agreement)."""

        def step() -> None:
            vector = factor_combine(
                TARGET // 10, quantize(parameters_multiply([update], 0.1), CLIP, TARGET)
            )
            for place, seed in enumerate(self._seeds):
                mask = pseudo_rand_gen(seed, MODULUS, [array.shape for array in vector])
                combine = parameters_subtraction if place % 2 else parameters_addition
                vector = combine(vector, mask)
            parameters_mod(vector, MODULUS)

        return step

    def add_upload(self) -> Callable[[], object]:
        """Adding one upload."""
        return lambda: parameters_addition(self._total, self._upload)

    def unmask(self, streams: int) -> Callable[[], object]:
        """Taking `streams` masks off the sum."""

        def step() -> None:
            total = self._total
            for seed in (os.urandom(32) for _ in range(streams)):
                mask = pseudo_rand_gen(seed, MODULUS, [array.shape for array in total])
                total = parameters_subtraction(total, mask)

        return step

    def finish(self) -> Callable[[], object]:
        """Reduction and decoding of the sum."""
        return lambda: dequantize(parameters_mod(self._total, MODULUS), CLIP, TARGET)

    def streams(self, dropped: int) -> int:
        """Masks that its workflow expands: survivors' own, and every neighbour of the dropped."""
        return self.n - dropped + dropped * (self.n - 1)

    def upload_bytes(self) -> int:
        """Masked parameters as int64."""
        return 8 * self.d


class Ckks:
    """CKKS with the parameters that NVFlare documents; one secret key that all clients share."""

    SLOTS = 4096

    def __init__(self, update: NDArray[np.float32]) -> None:
        tenseal = import_module("tenseal")

        self._tenseal = tenseal
        self._context = tenseal.context(
            tenseal.SCHEME_TYPE.CKKS,
            poly_modulus_degree=8192,
            coeff_mod_bit_sizes=[60, 40, 40],
            encryption_type=tenseal.ENCRYPTION_TYPE.SYMMETRIC,
        )
        self._context.global_scale = 2**40
        self._update = update

    def encrypt(self) -> list[bytes]:
        """Serialised ciphertexts of the whole update."""
        blocks = range(0, self._update.size, self.SLOTS)
        return [
            self._tenseal.ckks_vector(
                self._context, self._update[at : at + self.SLOTS].tolist()
            ).serialize()
            for at in blocks
        ]
