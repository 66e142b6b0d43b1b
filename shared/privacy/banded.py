"""Noise that partly cancels over time: banded matrix factorisation, an option for large platforms.

Choquette-Choo et al. 2023, "(Amplified) Banded Matrix Factorization". Instead of independent z_t,
step t adds ``w_t = (z_t - c_1 w_{t-1} - ... - c_{b-1} w_{t-b+1}) / c_0``: later steps take back
part of the noise of earlier ones, and the sum of all steps, which is what the model becomes, is
less noisy at the same epsilon.

Formal guarantee: users are split into b groups by a function of the user alone (`group_of`), step t
samples from group ``t mod b`` only (`CyclicSampler`), and ``|c| = 1``. Then no user's contributions
at different steps share a noise coordinate, and T steps cost what ``ceil(T / b)`` steps of the
Poisson-sampled Gaussian mechanism at the rate within the group cost (their Theorem 4):
`banded_mechanism`. Groups and noise state go on across rounds, whose steps b divides. Noise state
that is used twice would put one user's contributions into shared noise coordinates, with |c| above
1: it is refused (`clients.kept_updates`).

Worth it from about 20,000 users and epsilon 4 up; below 5,000 users the best b is 1.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared.privacy.accounting import Mechanism
from shared.privacy.errors import InvalidMechanismError
from shared.privacy.gradients import PrivateGradient
from shared.privacy.noise import SecureGaussian
from shared.privacy.sampling import PoissonSampler

_HORIZON: Final = 1000
"""Longer runs use the coefficients of this many steps; any coefficients of norm 1 are private."""


def banded_coefficients(bands: int, steps: int) -> Tensor:
    """(b,) float64 of unit norm, minimising the noise on all prefix sums over `steps` steps."""
    if not 1 <= bands <= steps:
        raise InvalidMechanismError(f"{bands} bands for {steps} steps")
    steps = min(steps, _HORIZON)
    free = _square_root_series(bands)[1:].requires_grad_(True)
    if bands > 1:
        search = torch.optim.LBFGS([free], max_iter=50, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            search.zero_grad()
            value = prefix_noise(_unit(free), steps).log()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        search.step(loss)  # type: ignore[no-untyped-call]
    return _unit(free.detach())


def prefix_noise(coefficients: Tensor, steps: int) -> Tensor:
    """Root mean square over all prefixes of the noise on the sum of the first t steps (scalar)."""
    column = torch.cat([coefficients, coefficients.new_zeros(steps - len(coefficients))])
    lag = torch.arange(steps)[:, None] - torch.arange(steps)[None]
    strategy = column[lag.clamp_min(0)] * (lag >= 0)
    first = torch.zeros(steps, 1, dtype=column.dtype)
    first[0] = 1
    inverse = torch.linalg.solve_triangular(strategy, first, upper=False).squeeze(1)
    weights = torch.arange(steps, 0, -1, dtype=column.dtype)
    total: Tensor = (inverse.cumsum(0).square() * weights).sum()
    return total.div(steps).sqrt()


def banded_mechanism(
    *, noise_multiplier: float, group_rate: float, steps: int, bands: int
) -> Mechanism:
    """What `steps` steps cost; for the whole run at once, not round by round.

    Parameters
    ----------
    group_rate
        Probability with which a user of the group whose turn it is enters the batch.
    """
    return Mechanism(
        noise_multiplier=noise_multiplier,
        sample_rate=group_rate,
        steps=math.ceil(steps / bands),
        bands=bands,
    )


def lots_of(pseudonyms: Sequence[str]) -> NDArray[np.uint16]:
    """(U,) a number of each user alone, from which `group_of` makes its group."""
    digests = (hashlib.sha256(b"isthmus group\0" + name.encode()).digest() for name in pseudonyms)
    return np.asarray([int.from_bytes(digest[:2], "big") for digest in digests], dtype=np.uint16)


def group_of(lots: NDArray[np.uint16], bands: int) -> NDArray[np.int64]:
    """(U,) group of each user: of the user alone, so that others do not move when one leaves."""
    return lots.astype(np.int64) % bands


class CyclicSampler:
    """Batches that take turns among groups of users; Poisson within the group.

    Parameters
    ----------
    group_rate
        Public probability in (0, 1].
    groups
        (U,) group of each user, from `group_of`.
    bands
        Number of groups b.
    step
        Steps taken before, in earlier rounds.
    """

    def __init__(
        self, group_rate: float, groups: NDArray[np.int64], bands: int, *, step: int = 0
    ) -> None:
        self._members = [np.flatnonzero(groups == group) for group in range(bands)]
        self._samplers = [PoissonSampler(group_rate, len(rows)) for rows in self._members]
        self.step = step

    def draw(self) -> NDArray[np.int64]:
        """Rows of the users in the next batch."""
        turn = self.step % len(self._members)
        self.step += 1
        rows: NDArray[np.int64] = self._members[turn][self._samplers[turn].draw()]
        return rows

    def batches(self, steps: int) -> Iterator[NDArray[np.int64]]:
        """The next `steps` batches."""
        return (self.draw() for _ in range(steps))


class BandedGradient(PrivateGradient):
    """`PrivateGradient` with banded noise; batches must come from a `CyclicSampler`.

    Parameters
    ----------
    model, clipping_norm, noise_multiplier, expected_batch_size, noise
        As in `PrivateGradient`.
    coefficients
        (b,) of unit norm, from `banded_coefficients`.
    earlier
        `state` at the end of the round before; None at the first step of a run.

    Raises
    ------
    InvalidMechanismError
        Coefficients that do not have unit norm, or a state of another shape.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        clipping_norm: float,
        noise_multiplier: float,
        expected_batch_size: float,
        noise: SecureGaussian,
        coefficients: Tensor,
        earlier: Tensor | None = None,
    ) -> None:
        if not math.isclose(coefficients.norm().item(), 1.0, rel_tol=1e-6):
            raise InvalidMechanismError("the coefficients do not have unit norm")
        super().__init__(
            model,
            clipping_norm=clipping_norm,
            noise_multiplier=noise_multiplier,
            expected_batch_size=expected_batch_size,
            noise=noise,
        )
        self._coefficients = coefficients.tolist()
        self.state = torch.empty(0)
        """(b - 1, P) the last noise vectors, newest first: as secret as the data."""
        self.restore(earlier)

    def restore(self, earlier: Tensor | None) -> None:
        """Go on from `state` of an earlier round; None starts a run."""
        count = sum(p.numel() for p in self._parameters)
        shape = (len(self._coefficients) - 1, count)
        if earlier is not None and earlier.shape != shape:
            raise InvalidMechanismError(f"noise state of shape {tuple(earlier.shape)}, not {shape}")
        self.state = torch.zeros(shape) if earlier is None else earlier.clone()

    def _draw_noise(self, count: int) -> Tensor:
        noise = super()._draw_noise(count)
        for weight, before in zip(self._coefficients[1:], self.state, strict=True):
            noise.sub_(before, alpha=weight)
        noise /= self._coefficients[0]
        self.state = torch.cat([noise[None], self.state])[: len(self.state)]
        return noise.clone()


def _square_root_series(bands: int) -> Tensor:
    """First coefficients of ``(1 - x) ** -0.5``, the optimum without bands (float64)."""
    k = torch.arange(1, bands, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), ((2 * k - 1) / (2 * k)).cumprod(0)])


def _unit(free: Tensor) -> Tensor:
    coefficients = torch.cat([free.new_ones(1), free])
    unit: Tensor = coefficients / coefficients.norm()
    return unit
