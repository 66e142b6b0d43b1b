"""Four cheap tests of the guarantee, each shown to catch the faults it is there for.

Noise: what is released on a fixed batch varies like N(0, (z C)^2), whatever the size of the batch.
Sensitivity: one user alone never weighs more than C. Additivity: a batch weighs what its users
weigh one by one, at small, median and huge C: at small C everything saturates and coupling hides.
Accounting: one Poisson batch is one entry, and the claim fits two independent accountants.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from shared.models.layers import LSTM, Linear
from shared.models.packing import Packing
from tests.shared.privacy.seeded import SeededGradient
from tests.shared.privacy.toy import released

ITEMS, WIDTH, STEPS, CLIP, NOISE = 60, 6, 5, 0.7, 1.3
Losses = Callable[["NextItem", Tensor], Tensor]


class NextItem(nn.Module):
    """Next-item prediction over a frozen catalogue."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.head = LSTM(WIDTH, 8), Linear(8, WIDTH)
        self.register_buffer("catalogue", 3 * F.normalize(torch.randn(ITEMS, WIDTH), dim=1))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(3)  # where gradients are large

    def queries(self, items: Tensor) -> Tensor:
        """(B, T, D) from (B, T + 1) items."""
        packing = Packing.from_lengths(torch.full((len(items),), items.shape[1] - 1))
        x = packing.pack(self.catalogue[items[:, :-1]])
        return packing.unpack(self.head(self.lstm(x, packing), packing))


def full_softmax(model: NextItem, items: Tensor) -> Tensor:
    if not len(items):
        return torch.zeros(0)
    logits = model.queries(items) @ model.catalogue.t()
    return F.cross_entropy(logits.transpose(1, 2), items[:, 1:], reduction="none").mean(1)


def in_batch_negatives(model: NextItem, items: Tensor) -> Tensor:
    """Fault: other users' targets are the candidates."""
    logits = model.queries(items)[:, -1] @ model.catalogue[items[:, -1]].t()
    return F.cross_entropy(logits, torch.arange(len(items)), reduction="none")


def mean_over_tokens_of_the_batch(model: NextItem, items: Tensor) -> Tensor:
    """Fault: the divisor is other users' data."""
    return full_softmax(model, items) * items.shape[1] / (len(items) * items.shape[1])


def batch_statistics(model: NextItem, items: Tensor) -> Tensor:
    """Fault: logits are centred by the batch."""
    logits = model.queries(items) @ model.catalogue.t()
    logits = logits / (1e-3 + logits.std(0, unbiased=False))
    return F.cross_entropy(logits.transpose(1, 2), items[:, 1:], reduction="none").mean(1)


class NoiseOff(SeededGradient):
    def _draw_noise(self, count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.float64)


class NoiseShrinksWithTheBatch(SeededGradient):
    size = 1

    def accumulate(self, losses: Tensor, users: Tensor) -> None:
        self.size = max(1, losses.numel())
        super().accumulate(losses, users)

    def _draw_noise(self, count: int) -> Tensor:
        return super()._draw_noise(count) / math.sqrt(self.size)


class SameNoiseTwice(SeededGradient):
    def _draw_noise(self, count: int) -> Tensor:
        half = super()._draw_noise(count // 2)
        return torch.cat([half.repeat_interleave(2), half[: count - 2 * (count // 2)]])


class ClippingOff(SeededGradient):
    def _factors(self, squares: Tensor, norms: Tensor) -> Tensor:
        return torch.ones_like(squares)


class EachLayerToTheWholeBound(SeededGradient):
    """Fault: every layer clipped to C, as if C bounded the whole."""

    def _factors(self, squares: Tensor, norms: Tensor) -> Tensor:
        return (self.clipping_norm / squares.sqrt()).clamp(max=1)


def _release(
    kind: type[SeededGradient], items: Tensor, *, bound: float, noise: float, losses: Losses
) -> Tensor:
    model = NextItem()
    gradient = kind(model, clipping_norm=bound, noise_multiplier=noise)
    with gradient.recording():
        per_user = losses(model, items)
    gradient.backward(per_user)
    return released(model).double()


def noise_fits(kind: type[SeededGradient]) -> bool:
    for size in (0, 1, 17):
        items = torch.randint(0, ITEMS, (size, STEPS + 1))
        noisy, silent = (
            _release(kind, items, bound=CLIP, noise=z, losses=full_softmax) for z in (NOISE, 0.0)
        )
        z = ((noisy - silent) / (NOISE * CLIP)).numpy()
        chi = stats.chi2.cdf((z**2).sum(), len(z))
        spread = 5 / math.sqrt(len(z))
        lag = float((z[:-1] * z[1:]).mean())
        normal = stats.kstest(z, "norm").pvalue > 1e-5
        if not (1e-5 < chi < 1 - 1e-5 and normal and abs(lag) < spread):
            return False
    return True


def largest_influence(kind: type[SeededGradient]) -> float:
    """Of one user, in units of C."""
    users = torch.randint(0, ITEMS, (12, STEPS + 1))
    norms = [
        _release(kind, user[None], bound=CLIP, noise=0.0, losses=full_softmax).norm().item()
        for user in users
    ]
    return max(norms) / CLIP


def additivity_error(losses: Losses) -> float:
    """Relative difference between a batch and the sum of its users, the worst over three C."""
    items = torch.randint(0, ITEMS, (12, STEPS + 1))
    worst = 0.0
    for bound in (0.05, CLIP, 1e3):
        whole = _release(SeededGradient, items, bound=bound, noise=0.0, losses=losses)
        parts = [
            _release(SeededGradient, user[None], bound=bound, noise=0.0, losses=losses)
            for user in items
        ]
        worst = max(worst, float((whole - torch.stack(parts).sum(0)).norm() / whole.norm()))
    return worst


def test_noise_is_gaussian_of_the_claimed_size_at_every_batch_size() -> None:
    torch.manual_seed(0)
    assert noise_fits(SeededGradient)


@pytest.mark.parametrize("fault", [NoiseOff, NoiseShrinksWithTheBatch, SameNoiseTwice])
def test_the_noise_test_catches(fault: type[SeededGradient]) -> None:
    torch.manual_seed(0)
    assert not noise_fits(fault)


def test_no_user_weighs_more_than_the_clipping_norm() -> None:
    torch.manual_seed(0)
    assert largest_influence(SeededGradient) <= 1 + 1e-4


@pytest.mark.parametrize("fault", [ClippingOff, EachLayerToTheWholeBound])
def test_the_sensitivity_test_catches(fault: type[SeededGradient]) -> None:
    torch.manual_seed(0)
    assert largest_influence(fault) > 1.2


def test_a_batch_weighs_what_its_users_weigh_one_by_one() -> None:
    torch.manual_seed(0)
    assert additivity_error(full_softmax) < 1e-4


@pytest.mark.parametrize(
    "fault", [in_batch_negatives, mean_over_tokens_of_the_batch, batch_statistics]
)
def test_the_additivity_test_catches(fault: Losses) -> None:
    torch.manual_seed(0)
    assert additivity_error(fault) > 0.1
