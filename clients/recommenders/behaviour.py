"""The behaviour model as a recommender: histories in, scores of the whole catalogue out."""

from __future__ import annotations

import numpy as np
import torch

from clients.data.dataset import Histories, Int64s
from clients.recommenders.base import Evidence, Float32s
from clients.training.batches import recent_sequences
from clients.training.device import HOST, Compute
from shared.models.behaviour import BehaviourLSTM
from shared.models.config import BehaviourConfig
from shared.models.item_matrix import ItemMatrix
from shared.models.torch_parameters import load_vector


class BehaviourScorer:
    """Scores items with given parameters on a given catalogue.

    Parameters
    ----------
    config, parameters
        Shape of the model and its (P,) parameters: shared or personal.
    items
        The platform's N items, with or without residuals and biases.
    compute
        Where scores are computed.

    Raises
    ------
    ParameterVectorError
        `parameters` do not fit `config`.
    """

    def __init__(
        self,
        config: BehaviourConfig,
        parameters: Float32s,
        items: ItemMatrix,
        compute: Compute = HOST,
    ) -> None:
        self._compute, self._model = compute, compute.place(BehaviourLSTM(config))
        load_vector(self._model, parameters)
        self._model.requires_grad_(False)
        self._items, self._length = compute.place(items), config.history_length

    @torch.no_grad()
    def scores(self, histories: Histories, /) -> Float32s:
        """(B, N) float32: how well each item fits as the next one, larger is better.

        A user without events gets the items' biases, or zeros.
        """
        recent = self._compute.place(recent_sequences(histories, self._length))
        queries = self._model.query(recent, self._items)
        return self._items.logits(queries).cpu().numpy().astype(np.float32, copy=False)

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """Contribution of each event: see `clients.explaining.gradients`."""
        from clients.explaining.gradients import behaviour_evidence

        recent = self._compute.place(recent_sequences(history, self._length))
        return behaviour_evidence(self._model, self._items, recent, targets, len(history.items))
