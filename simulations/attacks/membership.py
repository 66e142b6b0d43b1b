"""Membership inference: whether a user whose history the attacker knows was in the training.

Whoever sees the update of a round asks how far it goes along the user's own gradient: one clipped
gradient adds as much as its length, noise and the other users add nothing on average. The slope of
a user's loss along an update is that inner product without forming the gradient. Candidates' own
gradients overlap, so the slopes are then explained by all candidates together (ridge regression
with their Gram matrix). Whoever has only the released model asks by how much the user's loss fell
in training. Both know the model, the plan and every candidate's whole history: an attacker with
less learns less.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from clients.training.batches import TrainingSet
from shared.models.behaviour import BehaviourLSTM
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix
from shared.models.parameters import Float32s
from shared.models.torch_parameters import load_vector
from simulations.attacks.statistics import Floats

_REACH = 0.1
"""Length of the step along an update over which a slope is taken."""
_RIDGE = 1.0
"""In squared clipping norms: a coin's doubt against what one clipped gradient shows."""


class Suspicion:
    """How surely each of M candidates took part.

    Parameters
    ----------
    config
        Shape of the model.
    candidates
        What the attacker knows of them.
    items
        The platform's catalogue.
    negatives
        (K,) items that losses compare with; None for all.
    start
        (P,) first global model, at which gradients are compared.
    clipping_norm
        Of the plan.
    """

    def __init__(
        self,
        config: BehaviourConfig,
        candidates: TrainingSet,
        items: ItemMatrix,
        negatives: Tensor | None,
        start: Float32s,
        clipping_norm: float,
    ) -> None:
        self._model, self._items, self._negatives = BehaviourLSTM(config), items, negatives
        self._candidates, self._start = candidates, start
        self._all = candidates.batch(np.arange(candidates.users))
        gradients = self._gradients()
        norms = np.maximum(np.linalg.norm(gradients, axis=1), np.finfo(np.float32).tiny)
        self._scale: Floats = np.minimum(1.0 / norms, 1.0 / clipping_norm).astype(np.float64)
        scaled = gradients * self._scale[:, None].astype(np.float32)
        self._gram: Floats = (scaled @ scaled.T).astype(np.float64)

    def of_updates(self, seen: Iterable[tuple[Float32s, Float32s]]) -> Floats:
        """(M,) from pairs of the global model and an update (or sum) trained from it."""
        slopes = sum((self._slopes(model, update) for model, update in seen), np.zeros(1))
        ridged = self._gram + _RIDGE * np.eye(len(self._gram))
        return np.asarray(np.linalg.solve(ridged, slopes * self._scale))

    def of_release(self, released: Float32s) -> Floats:
        """(M,) from the (P,) model that a training released."""
        return (self._losses(self._start) - self._losses(released)) * self._scale

    def _slopes(self, model: Float32s, update: Float32s) -> Floats:
        """(M,) inner products of minus each gradient at `model` with `update`."""
        length = float(np.linalg.norm(update.astype(np.float64)))
        if length == 0:
            return np.zeros(self._candidates.users)
        step = (update * (_REACH / length)).astype(np.float32)
        fall = self._losses(model - step) - self._losses(model + step)
        return fall * (length / (2 * _REACH))

    @torch.no_grad()
    def _losses(self, parameters: Float32s) -> Floats:
        load_vector(self._model, parameters)
        losses = self._model.loss_per_user(self._all, self._items, self._negatives)
        return losses.double().numpy()

    def _gradients(self) -> Float32s:
        """(M, P) gradient of each candidate's loss at the first model."""
        load_vector(self._model, self._start)
        rows = [self._gradient(row) for row in range(self._candidates.users)]
        return np.stack(rows)

    def _gradient(self, row: int) -> Float32s:
        self._model.zero_grad()
        one = self._candidates.batch(np.array([row]))
        self._model.loss_per_user(one, self._items, self._negatives).sum().backward()  # type: ignore[no-untyped-call]
        parts = [p.grad.flatten() for p in self._model.parameters() if p.grad is not None]
        return torch.cat(parts).numpy()
