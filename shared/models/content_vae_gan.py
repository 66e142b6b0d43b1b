"""Content VAE-GAN: from a user's content profile to content that this user may want next.

Larsen et al. 2016 (VAE/GAN), conditioned on what it starts from (Bao et al. 2017, CVAE-GAN). An
encoder maps a user's profile x to a distribution over latents z, a generator maps a latent to a
correction in item space, and generated content is ``scale * x + G(z)``: it starts as the profile,
which needs no training, because a whitened space of 512 dimensions does not pass through a latent
of 32. A discriminator tells real content (the vector of the item that the user took next) from
the direction of generated content. Content retrieves catalogue items by inner product, also items
that nobody has touched; several latents for one user give different contents.

How well content is reconstructed is measured as it is used: the log-likelihood of the user's next
item when generated content retrieves it from the catalogue (a multinomial likelihood, Liang et al.
2018, with fixed item vectors). A squared error in whitened space was tried and learned nothing.

All three networks see users' data through their losses, so all three are clipped, noised and
charged; a discriminator or encoder trained without noise "because it stays local" would carry every
user into the generator's next gradient. One call of `ContentVAEGAN.loss_per_user` gives one loss
per user over all three: their gradients are one vector, clipped once, noised once, one mechanism in
the ledger. Two backward passes, or one optimiser for each side on one Poisson batch, would
understate epsilon (reported 4.4 where 15.5 is true). Three more things keep that exact:

* the generator's critic uses the discriminator's weights detached (`Linear.frozen`), so the
  adversarial loss trains encoder and generator only;
* the discriminator is called once, on real and detached generated content side by side;
* there is no batch normalisation, minibatch statistic or feature-mean matching, and candidates
  are drawn without looking at data: a user's loss depends on that user, the parameters and fresh
  random numbers alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.models.config import ContentConfig
from shared.models.content_parameters import initial_content
from shared.models.item_matrix import ItemMatrix, SeenItems
from shared.models.layers import Linear
from shared.models.losses import next_item_loss
from shared.models.per_user import PerUserModel
from shared.models.torch_parameters import load_vector

_LOG_VARIANCE = (-6.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profiles:
    """Private data: content profiles of B users and what followed each.

    Attributes
    ----------
    vectors
        (B, K, d) up to K profiles of each user, unit length.
    following
        (B, K) int64 item that the user took next; 0 where there is no profile.
    mask
        (B, K) 1 where there is a profile, 0 where not.
    seen
        What the user of each of the B K profiles, counted row by row, has had before.
    """

    vectors: Tensor
    following: Tensor
    mask: Tensor
    seen: SeenItems

    def to(self, device: torch.device) -> Profiles:
        """The same profiles on another device."""
        return Profiles(
            vectors=self.vectors.to(device),
            following=self.following.to(device),
            mask=self.mask.to(device),
            seen=self.seen.to(device),
        )

    def mean(self, values: Tensor) -> Tensor:
        """(B,) mean of (B, K) over each user's profiles; 0 for a user without any."""
        weights = self.mask / self.mask.sum(1, keepdim=True).clamp_min(1)
        return (values * weights).sum(1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """Fresh random numbers of one step; nothing here needs secrecy.

    Attributes
    ----------
    posterior, prior
        (B, K, z) standard normal.
    """

    posterior: Tensor
    prior: Tensor

    def to(self, device: torch.device) -> Draws:
        """The same numbers on another device."""
        return Draws(posterior=self.posterior.to(device), prior=self.prior.to(device))

    @classmethod
    def sample(cls, profiles: Profiles, width: int) -> Draws:
        """Draw for these users."""
        shape = (*profiles.vectors.shape[:2], width)
        like = profiles.vectors
        return cls(posterior=like.new_empty(shape).normal_(), prior=like.new_empty(shape).normal_())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """The summands of the loss, one (B, K) tensor each, unweighted.

    Attributes
    ----------
    reconstruction
        Negative log-likelihood of the following item, nats.
    divergence
        KL divergence of the posterior from the prior, nats.
    fooling
        How little generated content fools the discriminator: of reconstructed plus of prior
        content.
    discrimination
        Loss of the discriminator.
    """

    reconstruction: Tensor
    divergence: Tensor
    fooling: Tensor
    discrimination: Tensor


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


class ContentVAEGAN(PerUserModel[Profiles]):
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
        self.encoder = Perceptron(d, h, 2 * z)
        self.generator = Perceptron(z, h, d)
        self.discriminator = Perceptron(d, h, 1)
        load_vector(self, initial_content(config, seed))

    def loss_per_user(
        self,
        profiles: Profiles,
        items: ItemMatrix,
        negatives: Tensor | None = None,
        /,
        draws: Draws | None = None,
    ) -> Tensor:
        """One loss per user over all three networks, as one mechanism needs it.

        Parameters
        ----------
        profiles
            B users.
        items
            The catalogue; without biases in a private step.
        negatives
            As in `next_item_loss`: drawn without looking at data, or None for the whole catalogue.
        draws
            Random numbers; fresh ones by default.

        Returns
        -------
        Tensor
            (B,) nats; zero for a user without profiles.
        """
        found, config = self.losses(profiles, items, negatives, draws), self.config
        generation = found.reconstruction + config.kl_weight * found.divergence
        adversarial = config.adversarial_weight * found.fooling
        discrimination = config.discriminator_weight * found.discrimination
        return profiles.mean(generation + adversarial + discrimination)

    def losses(
        self,
        profiles: Profiles,
        items: ItemMatrix,
        negatives: Tensor | None = None,
        draws: Draws | None = None,
    ) -> Losses:
        """The summands of `loss_per_user`, before they are weighted."""
        draws = draws or Draws.sample(profiles, self.config.latent_dim)
        x = profiles.vectors
        mean, log_variance = self.posterior(x)
        latent = mean + draws.posterior * (0.5 * log_variance).exp()
        content = self.content(torch.cat([x, x], 1), torch.cat([latent, draws.prior], 1))
        own = content[:, : x.shape[1]]
        generated = F.normalize(content, dim=-1)
        return Losses(
            reconstruction=self.reconstruction(own, profiles, items, negatives),
            divergence=self.divergence(mean, log_variance),
            fooling=_both(F.softplus(-self.discriminator.frozen(generated))),
            discrimination=self._discrimination(
                items.vectors[profiles.following], generated.detach()
            ),
        )

    @staticmethod
    def reconstruction(
        content: Tensor, profiles: Profiles, items: ItemMatrix, negatives: Tensor | None = None
    ) -> Tensor:
        """(B, K) negative log-likelihood with which `content` (B, K, d) retrieves what followed."""
        losses = next_item_loss(
            content.flatten(0, 1),
            profiles.following.flatten(),
            items,
            seen=profiles.seen,
            negatives=negatives,
        )
        return losses.view(content.shape[:2])

    @staticmethod
    def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
        """(*,) KL divergence from the prior of posteriors (*, z), nats."""
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (*, z) of the latents of profiles (*, d)."""
        mean, log_variance = self.encoder(x).chunk(2, -1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)

    def content(self, x: Tensor, latent: Tensor) -> Tensor:
        """Content (*, d) generated for profiles (*, d) from latents (*, z)."""
        generated: Tensor = self.config.profile_scale * x + self.generator(latent)
        return generated

    def _discrimination(self, real: Tensor, generated: Tensor) -> Tensor:
        """(B, K) of the discriminator; reconstructed and prior content weigh half each."""
        steps = real.shape[1]
        score = self.discriminator(torch.cat([real, generated], 1))
        told = F.softplus(-score[:, :steps]).squeeze(-1)
        return told + 0.5 * _both(F.softplus(score[:, steps:]))


def _both(values: Tensor) -> Tensor:
    """(B, 2 K, 1) of reconstructed and of prior content → (B, K), added."""
    first, second = values.squeeze(-1).chunk(2, 1)
    return first + second
