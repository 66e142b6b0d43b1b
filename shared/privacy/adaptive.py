"""A clipping norm that follows a quantile of the users' norms, at a cost that is charged.

Andrew et al. 2021, "Differentially Private Learning with Adaptive Clipping". Each step also tells
how many users lie below C, as a sum of centred bits (sensitivity 1/2) with noise of deviation
`count_noise`, divided by the public expected batch size: dividing by the actual size, as some
implementations do, would leak it. Gradient and count come from one Poisson batch, hence are one
mechanism: with gradient noise z_g the whole has ``z ** -2 = z_g ** -2 + (2 count_noise) ** -2``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from shared.privacy.errors import InvalidMechanismError
from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian


class QuantileClippedGradient(PrivateGradient):
    """`PrivateGradient` whose clipping norm adapts; charge ``Mechanism(noise_multiplier, ...)``.

    Parameters
    ----------
    model, expected_batch_size, noise
        As in `PrivateGradient`.
    clipping_norm
        C at the first step.
    noise_multiplier
        Of gradient and count together: what the accountant is told.
    quantile
        Share of users that should not be clipped.
    count_noise
        Standard deviation of the noise on the count of users.
    rate
        Step of the geometric update of C.

    Raises
    ------
    InvalidMechanismError
        The count alone would cost more than `noise_multiplier` allows.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        clipping_norm: float,
        noise_multiplier: float,
        expected_batch_size: float,
        noise: SecureGaussian,
        quantile: float = 0.5,
        count_noise: float | None = None,
        rate: float = 0.2,
    ) -> None:
        if not 0 < quantile < 1:
            raise InvalidMechanismError(f"quantile {quantile} is not in (0, 1)")
        self.count_noise = expected_batch_size / 20 if count_noise is None else count_noise
        self.total_noise_multiplier = noise_multiplier
        self.quantile, self.rate = quantile, rate
        super().__init__(
            model,
            clipping_norm=clipping_norm,
            noise_multiplier=gradient_noise(noise_multiplier, self.count_noise),
            expected_batch_size=expected_batch_size,
            noise=noise,
        )
        self._centred_count = 0.0

    def release(self) -> None:
        """Release gradient and count, then move the clipping norm for the next step."""
        super().release()
        noise = self._draw_noise(1).item() * self.count_noise
        share = (self._centred_count + noise) / self.expected_batch_size + 0.5
        self._centred_count = 0.0
        self.clipping_norm *= math.exp(-self.rate * (share - self.quantile))

    def _observe(self, norms: Tensor) -> None:
        below = (norms <= self.clipping_norm).to(torch.float64)
        self._centred_count += (below - 0.5).sum().item()


def gradient_noise(noise_multiplier: float, count_noise: float) -> float:
    """Noise multiplier left for the gradient when the count takes its part.

    Raises
    ------
    InvalidMechanismError
        Nothing is left.
    """
    left = noise_multiplier**-2 - (2 * count_noise) ** -2
    if not left > 0:
        raise InvalidMechanismError(
            f"count noise {count_noise} is too small for a noise multiplier of {noise_multiplier}"
        )
    return float(left**-0.5)
