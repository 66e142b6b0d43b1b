"""Seeded noise for tests: lives outside the wheel, and `PrivateGradient` refuses it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian


class SeededGradient(PrivateGradient):
    """A `PrivateGradient` whose noise is reproducible and may be zero."""

    def __init__(
        self,
        model: nn.Module,
        *,
        clipping_norm: float,
        noise_multiplier: float = 0.0,
        expected_batch_size: float = 1.0,
        per_layer: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(
            model,
            clipping_norm=clipping_norm,
            noise_multiplier=1.0,
            expected_batch_size=expected_batch_size,
            noise=SecureGaussian(),
            per_layer=per_layer,
        )
        self.noise_multiplier = noise_multiplier
        self._generator = torch.Generator().manual_seed(seed)

    def _draw_noise(self, count: int) -> Tensor:
        return torch.randn(count, generator=self._generator, dtype=torch.float64)
