"""Clipped sums of gradients without noise: **private data**, for noise that is added elsewhere."""

from __future__ import annotations

import torch
from torch import nn

from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian


class ClippedGradient(PrivateGradient):
    """`PrivateGradient` whose noise the caller adds before anything leaves.

    What ``p.grad`` holds after `backward` is ``sum_u clip(g_u) / E``: one user moves it by C / E in
    L2 norm, and nothing hides that. Only for a sum to which secure aggregation adds discrete noise
    (`shared.privacy.distributed`).

    Parameters
    ----------
    model, clipping_norm, expected_batch_size
        As in `PrivateGradient`.
    """

    def __init__(
        self, model: nn.Module, *, clipping_norm: float, expected_batch_size: float
    ) -> None:
        super().__init__(
            model,
            clipping_norm=clipping_norm,
            noise_multiplier=0.0,
            expected_batch_size=expected_batch_size,
            noise=SecureGaussian(),
        )

    @torch.no_grad()
    def release(self) -> None:
        """Divide by the expected batch size and fill every ``p.grad``."""
        self._sum.fill_gradients(self._take_sum().div_(self.expected_batch_size))

    def _check_noise(self, noise: SecureGaussian, noise_multiplier: float) -> None:
        """No noise is what this class is for."""
