"""The content VAE-GAN as a recommender: several contents per user, each retrieving items.

A user's profile becomes a posterior over latents; S draws of it become S contents in item space;
each content is a distribution over the catalogue, the softmax of its inner products with the item
vectors. Together they are the mixture of these distributions, which keeps several tastes apart
where one mean content would fall between them. Items that nobody has touched are retrieved like all
others: only their vector is needed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from clients.data.dataset import Histories, Int64s
from clients.recommenders.base import Float32s
from clients.training.device import HOST, Compute
from clients.training.profiles import latest_profiles
from shared.models.config import ContentConfig
from shared.models.content_vae_gan import ContentVAEGAN
from shared.models.torch_parameters import load_vector

Pooling = Literal["mixture", "best"]
"""How contents are joined: the mean of their distributions, or for each item the content that likes
it most."""


class ContentScorer:
    """Scores items by the content that a model generates for each user.

    Parameters
    ----------
    config, parameters
        Shape of the model and its (P,) parameters: shared or fine-tuned.
    vectors
        (N, d) item vectors of the platform.
    draws
        Contents S for each user; 0 takes the one content of the mean latent.
    spread
        Standard deviations of a draw: 1 is the posterior, more is more diverse.
    pooling
        How contents are joined.
    seed
        Of the draws; the same for every user and every call, so that lists are reproducible.
    compute
        Where scores are computed.

    Raises
    ------
    ParameterVectorError
        `parameters` do not fit `config`.
    """

    def __init__(
        self,
        config: ContentConfig,
        parameters: Float32s,
        vectors: Tensor,
        *,
        draws: int = 8,
        spread: float = 1.0,
        pooling: Pooling = "mixture",
        seed: int = 0,
        compute: Compute = HOST,
    ) -> None:
        self._compute, self._model = compute, compute.place(ContentVAEGAN(config))
        load_vector(self._model, parameters)
        self._model.requires_grad_(False)
        self._config, self._vectors, self._pooling = config, vectors, pooling
        noise = torch.randn(
            max(draws, 1), config.latent_dim, generator=torch.Generator().manual_seed(seed)
        )
        self._noise = compute.place(spread * noise if draws else torch.zeros_like(noise))
        self._placed = compute.place(vectors)

    @torch.no_grad()
    def scores(self, histories: Histories, /) -> Float32s:
        """(B, N) log-probability of each item (not normalised where `pooling` is ``"best"``)."""
        first, *others = self._contents(histories)
        pooled = self._retrieve(first)
        for content in others:
            pooled = self._join(pooled, self._retrieve(content))
        return np.asarray(pooled.cpu().numpy(), dtype=np.float32)

    @torch.no_grad()
    def contents(self, histories: Histories) -> Float32s:
        """(B, S, d) the generated contents: private, for the user's own platform."""
        return np.asarray(torch.stack(self._contents(histories), 1).cpu().numpy(), dtype=np.float32)

    def _contents(self, histories: Histories) -> list[Tensor]:
        profiles = self._compute.place(latest_profiles(histories, self._vectors, self._config))
        mean, log_variance = self._model.posterior(profiles)
        deviation = (0.5 * log_variance).exp()
        return [self._model.content(profiles, mean + deviation * noise) for noise in self._noise]

    def _retrieve(self, content: Tensor) -> Tensor:
        return torch.log_softmax(content @ self._placed.T, dim=1)

    def _join(self, first: Tensor, second: Tensor) -> Tensor:
        if self._pooling == "best":
            return torch.maximum(first, second)
        return torch.logaddexp(first, second)


class OneContentScorer(ContentScorer):
    """Scores items by the one content of the mean latent: a query in item space.

    Parameters
    ----------
    config, parameters, vectors
        As for `ContentScorer`.
    """

    def __init__(self, config: ContentConfig, parameters: Float32s, vectors: Tensor) -> None:
        super().__init__(config, parameters, vectors, draws=0)

    def queries(self, histories: Histories) -> Float32s:
        """(B, d) content of each user: private, for the user's own platform."""
        return self.contents(histories)[:, 0]

    def logits_of(self, query: Float32s, items: Int64s) -> Float32s:
        """(K,) logits of some items for one query."""
        rows = self._vectors.index_select(0, torch.from_numpy(items))
        return np.asarray((rows @ torch.from_numpy(query)).numpy(), dtype=np.float32)
