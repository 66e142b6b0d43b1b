"""Whether the content VAE-GAN is well: figures about this platform's users, for its own eyes.

A **posterior collapse** (Bowman et al. 2016) is a decoder that ignores its latent: the posterior is
the prior for everybody, every user gets the same correction and several draws say nothing. It is
told by latents that do not move with the user (active units, Burda et al. 2016). A discriminator
that is always right, or never, teaches the generator nothing.

What is computed here is **private data**, not covered by any guarantee: it is printed at the node,
never sent, and no public number may be chosen by it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from clients.data.dataset import Int64s
from clients.training.profiles import ProfileSet
from shared.models.config import ContentConfig
from shared.models.content_vae_gan import ContentVAEGAN
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.models.torch_parameters import load_vector

ACTIVE_VARIANCE: Final = 0.01
"""Variance over users of a latent's mean above which the latent is active (Burda et al. 2016)."""
BALANCE: Final = (0.55, 0.95)
"""Share of right answers between which a discriminator teaches."""
MOST_USERS: Final = 2000
"""Users looked at."""
MOST_SCORES: Final = 1 << 28
"""Scores of items computed for the reconstruction: fewer users are asked in a large catalogue."""
_AT_ONCE: Final = 1 << 22
"""Scores of items held at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentHealth:
    """Figures of one content model on one platform's users.

    Attributes
    ----------
    reconstruction
        Mean negative log-likelihood of the following item, nats.
    without_latent
        The same with every user's latent replaced by zero: what the latent tells is the difference.
    divergence
        Mean KL divergence of the posteriors from the prior, nats.
    active, latents
        Active latents, of how many.
    right
        Share of real and generated contents that the discriminator tells apart; None without one.
    """

    reconstruction: float
    without_latent: float
    divergence: float
    active: int
    latents: int
    right: float | None

    @property
    def collapsed(self) -> bool:
        """No latent moves with the user."""
        return self.active == 0

    @property
    def balanced(self) -> bool:
        """The discriminator is neither helpless nor always right."""
        return self.right is None or BALANCE[0] <= self.right <= BALANCE[1]

    def sentences(self) -> tuple[str, ...]:
        """What a person should know, most important first."""
        told = self.without_latent - self.reconstruction
        found = [
            f"reconstruction {self.reconstruction:.3f} nats, of which the latent tells {told:.3f}; "
            f"divergence {self.divergence:.3f} nats; {self.active} of {self.latents} latents "
            f"active"
        ]
        if self.right is not None:
            found[0] += f"; the discriminator is right in {self.right:.0%} of cases"
        if self.collapsed:
            found.insert(0, "posterior collapse: the latent says nothing about a user")
        if self.right is not None and not self.balanced:
            side = "cannot tell content apart" if self.right < BALANCE[0] else "is always right"
            found.append(f"the discriminator {side} and teaches the generator little")
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """For programs: the figures and the sentences."""
        return asdict(self) | {"sentences": self.sentences()}


@torch.no_grad()
def content_health(
    config: ContentConfig,
    parameters: Float32s,
    examples: ProfileSet,
    items: ItemMatrix,
    *,
    seed: int = 0,
) -> ContentHealth:
    """Look at the model with `parameters` (P,) on up to `MOST_USERS` users, whole catalogue.

    Raises
    ------
    ParameterVectorError
        `parameters` do not fit `config`.
    """
    model = ContentVAEGAN(config)
    load_vector(model, parameters)
    count = min(examples.users, MOST_USERS)
    rows = np.random.default_rng(seed).choice(examples.users, count, replace=False)
    profiles = examples.batch(np.sort(rows))
    live = profiles.mask > 0
    mean, log_variance = model.posterior(profiles.vectors)
    told = model.content(profiles.vectors, mean)
    divergence = model.divergence(mean, log_variance)
    moving = mean[live].var(0) > ACTIVE_VARIANCE if int(live.sum()) > 1 else mean.new_zeros(1)
    reconstruction, without_latent = _likelihoods(model, examples, rows, items)
    return ContentHealth(
        reconstruction=reconstruction,
        without_latent=without_latent,
        divergence=_mean(divergence[live]),
        active=int(moving.sum()),
        latents=config.latent_dim,
        right=_right(model, items.vectors[profiles.following[live]], told[live])
        if config.discriminator_weight
        else None,
    )


def _likelihoods(
    model: ContentVAEGAN, examples: ProfileSet, rows: Int64s, items: ItemMatrix
) -> tuple[float, float]:
    """Mean loss of what followed with the latent and without, of as many users as there is time."""
    each = 2 * model.config.profiles_per_user * len(items)
    rows, size = rows[: max(1, MOST_SCORES // each)], max(1, _AT_ONCE // each)
    losses: list[list[Tensor]] = [[], []]
    for first in range(0, len(rows), size):
        profiles = examples.batch(rows[first : first + size])
        x, live = profiles.vectors, profiles.mask > 0
        mean, _ = model.posterior(x)
        for found, latent in zip(losses, (mean, torch.zeros_like(mean)), strict=True):
            content = model.content(x, latent)
            found.append(model.reconstruction(content, profiles, items)[live])
    told, untold = (torch.cat([*found, torch.empty(0)]) for found in losses)
    return _mean(told), _mean(untold)


def _right(model: ContentVAEGAN, real: Tensor, generated: Tensor) -> float:
    """Share of contents that the discriminator puts on the right side."""
    takes_real = (model.discriminator(real) > 0).float().mean()
    takes_generated = (model.discriminator(F.normalize(generated, dim=-1)) > 0).float().mean()
    return float(takes_real + 1 - takes_generated) / 2 if len(real) else 0.5


def _mean(values: Tensor) -> float:
    return float(values.mean()) if values.numel() else 0.0
