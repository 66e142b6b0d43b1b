"""Which events the behaviour model's score of an item comes from.

The query is ``scale * unit(profile) + correction(LSTM)``. The first term is a sum over events once
its length is known, so its split is exact. The second is split by integrated gradients
(Sundararajan, Taly & Yan, ICML 2017; Captum) along the straight path on which everything that the
LSTM reads of every event fades in together, from nothing to the history as it is. Completeness:
all contributions and the rest add up to the logit; what 32 points of Gauss-Legendre quadrature
miss is below 1e-3 of it (tested), and is part of the rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from clients.data.dataset import Int64s
from clients.recommenders.base import Evidence
from shared.models.behaviour import BehaviourLSTM
from shared.models.item_matrix import ItemMatrix
from shared.models.sequences import Sequences

POINTS: Final = 32


def behaviour_evidence(
    model: BehaviourLSTM, items: ItemMatrix, recent: Sequences, targets: Int64s, events: int
) -> Evidence:
    """Split the logits of T items.

    Parameters
    ----------
    model
        Parameters without gradients.
    recent
        Events of the one user that the model reads, S of them.
    targets
        (T,) item indices.
    events
        Events of the user's whole history; those before `recent` contribute nothing.
    """
    wanted = torch.from_numpy(targets.astype(np.int64))
    vectors = items.vectors[wanted].detach()
    logits = model.query(recent, items) @ vectors.T
    if items.bias is not None:
        logits = logits + items.bias[wanted].detach()
    whole = logits[0].cpu().numpy().astype(np.float64)
    found = np.zeros((len(targets), events))
    if len(recent.items) and len(targets):
        read = _by_profile(model, items, recent, vectors) + _by_lstm(model, items, recent, vectors)
        found[:, events - len(recent.items) :] = read.cpu().numpy()
    return Evidence(found, whole - found.sum(axis=1))


@torch.no_grad()
def _by_profile(
    model: BehaviourLSTM, items: ItemMatrix, recent: Sequences, vectors: Tensor
) -> Tensor:
    """(T, S) summands of ``scale * unit(sum of decayed vectors) . v``."""
    ages = torch.arange(len(recent.items) - 1, -1, -1, dtype=torch.float64)
    decayed = items.vectors[recent.items].double() * (model.config.profile_decay**ages)[:, None]
    length = decayed.sum(dim=0).norm().clamp_min(1e-12)
    cosines: Tensor = vectors.double() @ decayed.T / length
    return model.config.profile_scale * cosines


def _by_lstm(model: BehaviourLSTM, items: ItemMatrix, recent: Sequences, vectors: Tensor) -> Tensor:
    """(T, S) integrated gradients of the correction's part of each logit."""
    from captum.attr import IntegratedGradients

    def scored(presence: Tensor, target: Tensor) -> Tensor:
        return (model.correction_under(recent, items, presence) * target).sum(dim=1)

    presence = torch.ones(len(vectors), len(recent.items))
    attributed: Tensor = IntegratedGradients(scored).attribute(
        presence,
        baselines=torch.zeros_like(presence),
        additional_forward_args=(vectors,),
        n_steps=POINTS,
        method="gausslegendre",
    )
    return attributed.detach().double()
