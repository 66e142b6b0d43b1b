"""The behaviour model: what a user will want next, as a query in the shared item space.

::

    query = scale * unit(decayed mean of the history's item vectors) + correction(LSTM(history))
    score of an item = query . item vector (+ a bias that never leaves the node)

The first part needs no training and is already a fair recommender; the LSTM (Hochreiter &
Schmidhuber 1997; for recommendation Hidasi et al., ICLR 2016) learns what to correct, and starts
near zero. Item vectors are frozen and a node's own, so the parameters hold nothing of a catalogue
and one set of them serves every platform. The LSTM may be confined to a fixed public subspace of
the item space, so that noise is paid for fewer parameters while the profile keeps all dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.models.behaviour_parameters import initial_parameters
from shared.models.config import GAP_BUCKETS, BehaviourConfig
from shared.models.item_matrix import ItemMatrix, SeenItems
from shared.models.item_space import public_projection
from shared.models.layers import LSTM, Embedding, Linear
from shared.models.losses import next_item_loss
from shared.models.packing import Packing
from shared.models.per_user import PerUserModel
from shared.models.sequences import NextEvents, Sequences
from shared.models.torch_parameters import load_vector


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourState:
    """Everything that the model remembers of B users; one more event costs O(1).

    Attributes
    ----------
    recurrent
        (1, 2, B, H) hidden and cell state of the LSTM.
    profile
        (B, d) decayed sum of item vectors.
    """

    recurrent: Tensor
    profile: Tensor


class BehaviourLSTM(PerUserModel[NextEvents]):
    """Next-item and next-event model; holds the shared parameters only.

    Parameters
    ----------
    config
        Shape, from the plan.
    seed
        Public seed of the first weights.
    """

    def __init__(self, config: BehaviourConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        space, width, hidden = config.adapter_dim, config.input_dim, config.hidden_dim
        self.adapter = Linear(space, width)
        self.event_type = Embedding(config.event_types, width)
        self.gap = Embedding(GAP_BUCKETS, width)
        self.lstm = LSTM(width, hidden)
        self.correction = Linear(hidden, space)
        self.next_event = Linear(hidden, config.event_types)
        self.register_buffer("projection", _projection(config), persistent=False)
        self.projection: Tensor | None
        load_vector(self, initial_parameters(config, seed))

    def loss_per_user(
        self, batch: NextEvents, items: ItemMatrix, negatives: Tensor | None = None, /
    ) -> Tensor:
        """Mean loss of each user over that user's events, as DP-SGD needs it.

        Parameters
        ----------
        batch
            B users with S events.
        items
            The platform's N items; without bias in a private step.
        negatives
            (K,) see `shared.models.losses.next_item_loss`.

        Returns
        -------
        Tensor
            (B,) nats; a user without events has loss zero. Row u depends on user u alone.
        """
        packing = batch.inputs.packing
        hidden, queries = self._run(batch.inputs, items)
        seen = SeenItems.up_to_each(batch.inputs.items, packing)
        item_loss = next_item_loss(queries, batch.items, items, seen=seen, negatives=negatives)
        guesses = self.next_event(hidden, packing)
        event_loss = F.cross_entropy(guesses, batch.events, reduction="none")
        losses = item_loss + self.config.event_weight * event_loss
        counts = packing.sum_per_user(torch.ones_like(losses)).clamp_min(1.0)
        return packing.sum_per_user(losses) / counts

    @torch.no_grad()
    def query(self, histories: Sequences, items: ItemMatrix) -> Tensor:
        """Query (B, d) of each user after its last event; zero for a user without events."""
        _, queries = self._run(histories, items)
        return histories.packing.last(queries)

    def start(self, users: int) -> BehaviourState:
        """State of `users` users who have no event yet."""
        like = self.adapter.weight
        recurrent = like.new_zeros(1, 2, users, self.config.hidden_dim)
        profile = like.new_zeros(users, self.config.item_dim)
        return BehaviourState(recurrent=recurrent, profile=profile)

    @torch.no_grad()
    def advance(
        self, state: BehaviourState, vectors: Tensor, events: Tensor, gaps: Tensor
    ) -> BehaviourState:
        """Take in one more event of each user.

        Parameters
        ----------
        vectors
            (B, d) vector of the item.
        events, gaps
            (B,) int64 event type and time bucket.
        """
        inputs = self._inputs(vectors, events, gaps, None)
        _, recurrent = self.lstm.step(inputs, state.recurrent)
        profile = self.config.profile_decay * state.profile + vectors
        return BehaviourState(recurrent=recurrent, profile=profile)

    @torch.no_grad()
    def fold(self, histories: Sequences, items: ItemMatrix) -> BehaviourState:
        """State of each user after its last event; as from `start` by `advance`, but at once."""
        packing = histories.packing
        vectors = items.vectors[histories.items]
        inputs = self._inputs(vectors, histories.events, histories.gaps, packing)
        profile = decayed_sum(vectors, packing, self.config.profile_decay)
        return BehaviourState(
            recurrent=self.lstm.final(inputs, packing), profile=packing.last(profile)
        )

    @torch.no_grad()
    def query_of(self, state: BehaviourState) -> Tensor:
        """Query (B, d) for the next event of each user in `state`."""
        return self._combine(state.profile, state.recurrent[-1, 0], None)

    def correction_under(self, history: Sequences, items: ItemMatrix, presence: Tensor) -> Tensor:
        """Correction (R, d) of one user's query, were each event there to some degree only.

        Parameters
        ----------
        history
            The S events of one user.
        presence
            (R, S) factors of what the LSTM reads of each event: R variants of the history, 1 for
            the history as it is, 0 for one of which the LSTM reads nothing.
        """
        inputs = self._inputs(items.vectors[history.items], history.events, history.gaps, None)
        variants, events = presence.shape
        packing = Packing.from_lengths(torch.full((variants,), events))
        hidden = self.lstm(packing.pack(presence[:, :, None] * inputs), packing)
        return self._corrected(packing.last(hidden), None)

    def _run(self, sequences: Sequences, items: ItemMatrix) -> tuple[Tensor, Tensor]:
        """Hidden states (S, H) and queries (S, d) after every event."""
        packing = sequences.packing
        vectors = items.vectors[sequences.items]
        hidden = self.lstm(
            self._inputs(vectors, sequences.events, sequences.gaps, packing), packing
        )
        profile = decayed_sum(vectors, packing, self.config.profile_decay)
        return hidden, self._combine(profile, hidden, packing)

    def _inputs(
        self, vectors: Tensor, events: Tensor, gaps: Tensor, packing: Packing | None
    ) -> Tensor:
        read = vectors if self.projection is None else vectors @ self.projection
        scaled = read * self.config.item_dim**0.5  # every coordinate about one
        adapted = self.adapter(scaled, packing)
        inputs: Tensor = adapted + self.event_type(events, packing) + self.gap(gaps, packing)
        return inputs

    def _combine(self, profile: Tensor, hidden: Tensor, packing: Packing | None) -> Tensor:
        profile = F.normalize(profile, dim=-1)
        return self.config.profile_scale * profile + self._corrected(hidden, packing)

    def _corrected(self, hidden: Tensor, packing: Packing | None) -> Tensor:
        correction: Tensor = self.correction(hidden, packing)
        return correction if self.projection is None else correction @ self.projection.T


def _projection(config: BehaviourConfig) -> Tensor | None:
    """Basis (item_dim, adapter_dim) of the subspace; None for the whole space."""
    if config.adapter_dim == config.item_dim:
        return None
    basis = public_projection(config.item_dim, config.adapter_dim)
    return torch.tensor(basis, dtype=torch.float32)


def decayed_sum(vectors: Tensor, packing: Packing, decay: float) -> Tensor:
    """Sum (S, d) of each user's vectors up to each token, older ones decayed: a packed scan."""
    sums: list[Tensor] = []
    start = 0
    for live in packing.live:
        now = vectors[start : start + live]
        sums.append(now + decay * sums[-1][:live] if sums else now)
        start += live
    return torch.cat(sums) if sums else vectors
