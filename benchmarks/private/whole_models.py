"""One step of the whole next-item model and of the VAE-GAN, private against not private."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.private.recurrent import Step, protected
from benchmarks.private.timing import interleaved
from shared.models.config import ContentConfig
from shared.models.content_vae_gan import ContentVAEGAN, Profiles
from shared.models.item_matrix import ItemMatrix, SeenItems
from shared.models.layers import LSTM, Linear
from shared.models.losses import next_item_loss
from shared.models.packing import Packing
from shared.privacy.gradients import PrivateGradient, UnprotectedGradient

SPACE, WIDTH, HIDDEN, USERS, STEPS = 384, 128, 128, 256, 50


class NextItem(nn.Module):
    """Frozen item vectors, adapter, LSTM, head into item space, softmax; ours or torch's."""

    def __init__(self, vectors: Tensor, *, packed: bool) -> None:
        super().__init__()
        self.items = ItemMatrix(vectors=vectors)
        self.adapter: nn.Module = (Linear if packed else nn.Linear)(SPACE, WIDTH)
        self.lstm: nn.Module = (
            LSTM(WIDTH, HIDDEN) if packed else nn.LSTM(WIDTH, HIDDEN, batch_first=True)
        )
        self.head: nn.Module = (Linear if packed else nn.Linear)(HIDDEN, SPACE)

    def packed_losses(
        self, history: Tensor, target: Tensor, packing: Packing, negatives: Tensor | None
    ) -> Tensor:
        """(B,) from packed items."""
        hidden = self.lstm(self.adapter(self.items.vectors[history], packing), packing)
        query = self.head(hidden, packing)
        return packing.sum_per_user(next_item_loss(query, target, self.items, negatives=negatives))

    def padded_losses(self, history: Tensor, target: Tensor, negatives: Tensor | None) -> Tensor:
        """Scalar from padded items (B, T), the loss on live tokens only."""
        hidden = self.lstm(self.adapter(self.items.vectors[history]))[0]
        live = target >= 0
        query = self.head(hidden[live])
        return next_item_loss(query, target[live], self.items, negatives=negatives).sum()


def next_item_row(items: int, negatives: int | None, seconds: float) -> dict[str, Any]:
    """The next-item model at 40% live tokens."""
    generator = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(items, SPACE, generator=generator), dim=1)
    spread = torch.randn(USERS, generator=generator).mul_(0.8).exp_().mul_(16)
    lengths = spread.clamp(1, STEPS).long()
    packing = Packing.from_lengths(lengths)
    history = torch.randint(0, items, (USERS, STEPS), generator=generator)
    target = torch.randint(0, items, (USERS, STEPS), generator=generator)
    drawn = None if negatives is None else torch.randperm(items, generator=generator)[:negatives]
    padded_target = target.masked_fill(torch.arange(STEPS)[None] >= lengths[:, None], -1)
    packed = (packing.pack(history), packing.pack(target))

    def padded() -> Step:
        model = NextItem(vectors, packed=False)
        optimizer = torch.optim.Adam(model.parameters())

        def step() -> None:
            optimizer.zero_grad()
            loss = model.padded_losses(history, padded_target, drawn) / USERS
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        return step

    def ours(make: Callable[[nn.Module], PrivateGradient | UnprotectedGradient]) -> Step:
        model = NextItem(vectors, packed=True)
        optimizer, gradient = torch.optim.Adam(model.parameters()), make(model)

        def step() -> None:
            with gradient.recording():
                losses = model.packed_losses(*packed, packing, drawn)
            gradient.backward(losses)
            optimizer.step()

        return step

    timings = interleaved(
        {
            "torch padded": padded(),
            "ours without privacy": ours(UnprotectedGradient),
            "ours private": ours(lambda model: protected(model, USERS)),
        },
        seconds,
    )
    loss = "full softmax" if negatives is None else f"{negatives} sampled"
    return {
        "what": "next-item model step",
        "compared_with": "the same model of torch layers without privacy, padded, same process",
        "items": items,
        "loss": loss,
        "live": packing.tokens / (USERS * STEPS),
        "cpu_ms": {name: timing.cpu for name, timing in timings.items()},
        "cpu_ratio": {n: t.cpu / timings["torch padded"].cpu for n, t in timings.items()},
    }


def vae_gan_row(users: int, seconds: float) -> dict[str, Any]:
    """The VAE-GAN against itself without privacy."""
    config = ContentConfig(item_dim=128, latent_dim=32, hidden_dim=128)
    items = ItemMatrix(vectors=F.normalize(torch.randn(1000, 128), dim=1))
    profiles = Profiles(
        vectors=F.normalize(torch.randn(users, 1, 128), dim=-1),
        following=torch.randint(0, 1000, (users, 1)),
        mask=torch.ones(users, 1),
        seen=SeenItems.none(),
    )

    def of(make: Callable[[nn.Module], PrivateGradient | UnprotectedGradient]) -> Step:
        model = ContentVAEGAN(config)
        optimizer, gradient = torch.optim.Adam(model.parameters()), make(model)

        def step() -> None:
            with gradient.recording():
                losses = model.loss_per_user(profiles, items)
            gradient.backward(losses)
            optimizer.step()

        return step

    timings = interleaved(
        {
            "without privacy": of(UnprotectedGradient),
            "private": of(lambda model: protected(model, users)),
        },
        seconds,
    )
    return {
        "what": "VAE-GAN step",
        "compared_with": "itself without privacy, same process",
        "B": users,
        "cpu_ms": {name: timing.cpu for name, timing in timings.items()},
        "cpu_ratio": {n: t.cpu / timings["without privacy"].cpu for n, t in timings.items()},
    }
