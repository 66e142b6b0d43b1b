"""Content VAE-GAN: profiles of taste in item space, compressed, reconstructed and generated.

Larsen et al. 2016 (VAE/GAN). An encoder maps a user's content profile x to a distribution over
latents, a generator maps a latent to content in item space, a discriminator tells real content from
generated. Generated content retrieves catalogue items and gives new items and the text generator
their topic.

All three networks see users' data through their losses, so all three are clipped, noised and
charged; a discriminator or encoder trained without noise "because it stays local" would carry every
user into the generator's next gradient. One call of `ContentVAEGAN.loss_per_user` gives one loss
per user over all three: their gradients are one vector, clipped once, noised once, one entry in the
ledger. Two backward passes, or one optimiser for each side on one Poisson batch, would understate
epsilon (reported 4.4 where 15.5 is true). Three more things keep that exact:

* the generator's critic uses the discriminator's weights detached (`Linear.frozen`), so the
  adversarial loss trains encoder and generator only;
* the discriminator is called once, on real and detached generated content side by side;
* there is no batch normalisation, minibatch statistic or feature-mean matching: a user's loss
  depends on that user's profile, the parameters and fresh random numbers alone.

What is private shows in the types: `Profiles` are private data, arguments of methods and never
fields; `Released` tensors are functions of released parameters and public randomness only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NewType

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from shared.config import StrictModel
from shared.models.layers import Linear

Released = NewType("Released", Tensor)
"""A tensor computed from released parameters and public randomness: free to leave."""

_LOG_VARIANCE = (-6.0, 4.0)


class ContentConfig(StrictModel):
    """Public shape and loss weights of a content VAE-GAN."""

    item_dim: Annotated[int, Field(ge=1)]
    """Width of item vectors and profiles."""
    latent_dim: Annotated[int, Field(ge=1)] = 16
    """Width of a latent."""
    hidden_dim: Annotated[int, Field(ge=1)] = 64
    """Width of the hidden layers of all three networks."""
    kl_weight: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the divergence from the prior; too small and samples of the prior mean nothing."""
    adversarial_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of fooling the discriminator in the generator's loss."""
    discriminator_weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of the discriminator's loss: its share of the common clipping norm."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profiles:
    """Private data: content profiles of B users.

    Attributes
    ----------
    vectors
        (B, K, d) up to K profile vectors of each user.
    mask
        (B, K) 1 where there is one, 0 where not.
    """

    vectors: Tensor
    mask: Tensor

    @classmethod
    def single(cls, vectors: Tensor) -> Profiles:
        """One profile vector a user, from (B, d)."""
        return cls(vectors=vectors[:, None], mask=torch.ones_like(vectors[:, :1]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """Fresh random numbers of one step.

    Attributes
    ----------
    posterior, prior
        (B, K, z) standard normal.
    """

    posterior: Tensor
    prior: Tensor

    @classmethod
    def sample(cls, profiles: Profiles, width: int) -> Draws:
        """Draw for these users; nothing here needs secrecy."""
        shape = (*profiles.vectors.shape[:2], width)
        like = profiles.vectors
        return cls(posterior=like.new_empty(shape).normal_(), prior=like.new_empty(shape).normal_())


class Perceptron(nn.Module):
    """Two hidden layers with SiLU (Elfwing et al. 2018)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = Linear(inputs, hidden), Linear(hidden, hidden)
        self.last = Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(*, inputs) → (*, outputs)."""
        result: Tensor = self.last(F.silu(self.second(F.silu(self.first(x)))))
        return result

    def frozen(self, x: Tensor) -> Tensor:
        """The same without gradients for the parameters."""
        return self.last.frozen(F.silu(self.second.frozen(F.silu(self.first.frozen(x)))))


class ContentVAEGAN(nn.Module):
    """Encoder, generator and discriminator.

    Parameters
    ----------
    config
        Public.
    seed
        Of the initial weights, public.
    """

    def __init__(self, config: ContentConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        d, z, h = config.item_dim, config.latent_dim, config.hidden_dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Perceptron(d, h, 2 * z)
            self.generator = Perceptron(z, h, d)
            self.discriminator = Perceptron(d, h, 1)

    def loss_per_user(self, profiles: Profiles, draws: Draws | None = None) -> Tensor:
        """One loss per user over all three networks, as one mechanism needs it.

        Parameters
        ----------
        profiles
            B users.
        draws
            Random numbers; fresh ones by default.

        Returns
        -------
        Tensor
            (B,) nats; zero for a user without profile vectors.
        """
        draws = draws or Draws.sample(profiles, self.config.latent_dim)
        x = profiles.vectors
        mean, log_variance = self._encode(x)
        latent = mean + draws.posterior * (0.5 * log_variance).exp()
        generated = self.generator(torch.cat([latent, draws.prior], 1))
        loss = self._generation_loss(x, mean, log_variance, generated)
        scale = self.config.discriminator_weight
        loss = loss + scale * self._discrimination_loss(x, generated.detach())
        weights = profiles.mask / profiles.mask.sum(1, keepdim=True).clamp_min(1)
        return (loss * weights).sum(1)

    @torch.no_grad()
    def encode(self, profiles: Profiles) -> Tensor:
        """Mean latents (B, K, z) of users: private, for use at their own platform."""
        return self._encode(profiles.vectors)[0]

    @torch.no_grad()
    def reconstruct(self, profiles: Profiles) -> Tensor:
        """Content (B, K, d) that stands for users' taste: private, for their own platform."""
        content: Tensor = self.generator(self.encode(profiles))
        return content

    @torch.no_grad()
    def generate(self, count: int, generator: torch.Generator | None = None) -> Released:
        """Content (count, d) drawn from the prior: no user's data is touched."""
        weight = self.generator.first.weight
        latents = torch.randn(
            count, self.config.latent_dim, generator=generator, device=weight.device
        )
        return Released(self.generator(latents.to(weight.dtype)))

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, -1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)

    def _generation_loss(
        self, x: Tensor, mean: Tensor, log_variance: Tensor, generated: Tensor
    ) -> Tensor:
        """(B, K) of encoder and generator: reconstruction, divergence, fooling the critic."""
        steps = x.shape[1]
        error = (generated[:, :steps] - x).square().sum(-1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
        fooled = F.softplus(-self.discriminator.frozen(generated)).squeeze(-1)
        adversarial = fooled[:, :steps] + fooled[:, steps:]
        config = self.config
        return error + config.kl_weight * divergence + config.adversarial_weight * adversarial

    def _discrimination_loss(self, x: Tensor, generated: Tensor) -> Tensor:
        """(B, K) of the discriminator; reconstructed and prior content weigh half each."""
        steps = x.shape[1]
        score = self.discriminator(torch.cat([x, generated], 1)).squeeze(-1)
        fake = F.softplus(score[:, steps:])
        return F.softplus(-score[:, :steps]) + 0.5 * (fake[:, :steps] + fake[:, steps:])
