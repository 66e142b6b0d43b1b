"""From the shared content model to a platform's own, trained without noise: it never leaves.

As `clients.training.personalise` does for behaviour: started from a federated release it is the
product's last step, started from the public initial weights it is what the platform has alone. It
stops when validation items are ranked no better and keeps the best state, the start included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clients.data.dataset import Histories
from clients.evaluation.split import Fold
from clients.recommenders.content import ContentScorer
from clients.training.config import ContentTuning
from clients.training.device import HOST, Compute
from clients.training.errors import NothingToLearnError
from clients.training.fitting import Kept, Progress, fit_until_worse, validation_ndcg
from clients.training.profiles import ProfileSet
from shared.models.config import ContentConfig
from shared.models.content_vae_gan import ContentVAEGAN, Draws
from shared.models.item_matrix import ItemMatrix
from shared.models.losses import draw_negatives
from shared.models.parameters import Float32s
from shared.models.torch_parameters import load_vector, read_vector


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentModel:
    """A platform's own content model; it never leaves the node.

    Attributes
    ----------
    config, parameters
        Shape of the model and its (P,) parameters.
    draws
        Contents generated for each user.
    validation
        NDCG@10 at each look, the start first.
    steps
        Steps taken when the state that was kept was reached.
    """

    config: ContentConfig
    parameters: Float32s
    draws: int
    validation: tuple[float, ...]
    steps: int

    def scorer(self, vectors: Tensor) -> ContentScorer:
        """The model on a catalogue with `vectors` (N, d)."""
        return ContentScorer(self.config, self.parameters, vectors, draws=self.draws)


def tune_content(
    config: ContentConfig,
    start: Float32s,
    vectors: Tensor,
    training: Histories,
    validation: Fold,
    settings: ContentTuning,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    compute: Compute = HOST,
) -> ContentModel:
    """Fine-tune `start` (P,) on one platform; arguments as for `personalise`.

    Raises
    ------
    NothingToLearnError
        No user has two training events.
    ParameterVectorError
        `start` does not fit the model.
    """
    fold = validation.sample(settings.validation_users, seed)

    def judge(parameters: Float32s) -> float:
        scorer = ContentScorer(config, parameters, vectors, draws=settings.draws, compute=compute)
        return validation_ndcg(scorer, fold)

    learner = _Learner(config, start, vectors, training, settings, seed, compute)
    first = Kept(state=start, steps=0, ndcg=judge(start))
    best, looks = fit_until_worse(learner, first, judge, settings, progress)
    return ContentModel(
        config=config,
        parameters=best.state,
        draws=settings.draws,
        validation=(first.ndcg, *looks),
        steps=best.steps,
    )


class _Learner:
    """All three networks under one optimiser."""

    def __init__(
        self,
        config: ContentConfig,
        start: Float32s,
        vectors: Tensor,
        training: Histories,
        settings: ContentTuning,
        seed: int,
        compute: Compute,
    ) -> None:
        self._examples = ProfileSet(training, vectors, config)
        if not self._examples.learnable:
            raise NothingToLearnError("no user has two training events")
        self._compute, self._model = compute, compute.place(ContentVAEGAN(config))
        load_vector(self._model, start)
        self._items, self._settings = compute.place(ItemMatrix(vectors=vectors)), settings
        self._optimiser = torch.optim.Adam(self._model.parameters(), settings.learning_rate)
        self._users = np.random.default_rng(seed)
        self._random = torch.Generator().manual_seed(seed)
        self.steps = 0

    def state(self) -> Float32s:
        """(P,) parameters as they are now."""
        return read_vector(self._model)

    def step(self) -> None:
        """One step of Adam on a batch of users."""
        size = min(self._settings.batch_users, self._examples.users)
        rows = self._users.choice(self._examples.users, size, replace=False)
        profiles = self._examples.batch(rows)
        shape = (*profiles.vectors.shape[:2], self._model.config.latent_dim)
        draws = Draws(
            posterior=torch.randn(shape, generator=self._random),
            prior=torch.randn(shape, generator=self._random),
        )
        self._optimiser.zero_grad()
        losses = self._model.loss_per_user(
            self._compute.place(profiles),
            self._items,
            draw_negatives(self._settings.negatives, len(self._items), self._random),
            self._compute.place(draws),
        )
        losses.mean().backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.steps += 1
