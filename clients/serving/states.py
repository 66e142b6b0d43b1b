"""The behaviour model's state of each user, advanced by one step for each event.

The model was trained on at most L events, so a state is the fold over a window that starts at a
multiple of L and holds between L and 2 L - 1 events once there are so many. The window depends on
the number of events alone: a state that was advanced and one that is computed anew are the same,
and only every L-th event costs a fold.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor

from clients.data.dataset import Histories, Int64s
from clients.recommenders.base import Evidence, Float32s
from clients.recommenders.behaviour import BehaviourScorer
from clients.training.personalise import PersonalModel
from shared.models.behaviour import BehaviourLSTM, BehaviourState
from shared.models.sequences import gap_buckets
from shared.models.torch_parameters import load_vector


class UserStates:
    """States by pseudonym, the least recently used go first; used from one thread.

    Parameters
    ----------
    personal
        The platform's model and its items.
    size
        Most states kept.
    """

    def __init__(self, personal: PersonalModel, size: int) -> None:
        self._model = BehaviourLSTM(personal.config)
        load_vector(self._model, personal.parameters)
        self._model.requires_grad_(False)
        self._items, self._window = personal.items, personal.config.history_length
        self._size = size
        self._states: OrderedDict[str, tuple[int, BehaviourState]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def query(self, history: Histories) -> Tensor:
        """(1, d) query of the one user of `history`, from the kept state if it is this far."""
        user, count = history.users[0], len(history.items)
        found = self._states.get(user)
        if found is None or found[0] != count:
            self._keep(user, count, self._folded(history))
        self._states.move_to_end(user)
        return self._model.query_of(self._states[user][1])

    def advance(self, history: Histories) -> None:
        """Take in the last event of `history`, if the state before it is kept."""
        user, count = history.users[0], len(history.items)
        found = self._states.get(user)
        if found is None:
            return
        if found[0] != count - 1 or self.start(count) != self.start(count - 1):
            self._keep(user, count, self._folded(history))
            return
        vectors, events, gaps = self._inputs(history, count - 1)
        self._keep(user, count, self._model.advance(found[1], vectors, events, gaps))

    def forget(self, user: str) -> None:
        """Drop a user's state."""
        self._states.pop(user, None)

    def start(self, count: int) -> int:
        """First event of the window when there are `count` events."""
        return max(0, (count - self._window) // self._window * self._window)

    def _folded(self, history: Histories) -> BehaviourState:
        first = self.start(len(history.items))
        vectors, events, gaps = self._inputs(history, first)
        state = self._model.start(1)
        for step in range(len(vectors)):
            row = slice(step, step + 1)
            state = self._model.advance(state, vectors[row], events[row], gaps[row])
        return state

    def _inputs(self, history: Histories, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors (S, d), event types and gaps (S,) of the events from `first` on."""
        count = len(history.items)
        gaps = np.zeros(count - first, dtype=np.int64)
        if not history.ordinal and count > 1:
            before = max(first - 1, 0)
            found = gap_buckets(np.diff(history.times[before:]))
            gaps[len(gaps) - len(found) :] = found
        items = torch.from_numpy(history.items[first:].astype(np.int64))
        events = torch.from_numpy(history.events[first:].astype(np.int64))
        return self._items.vectors[items], events, torch.from_numpy(gaps)

    def _keep(self, user: str, count: int, state: BehaviourState) -> None:
        self._states[user] = (count, state)
        self._states.move_to_end(user)
        while len(self._states) > self._size:
            self._states.popitem(last=False)


class ServedBehaviour:
    """The behaviour model as a part of the fusion that reads kept states.

    Parameters
    ----------
    personal
        The platform's model.
    states
        Of the same model.
    """

    def __init__(self, personal: PersonalModel, states: UserStates) -> None:
        self._items, self._states = personal.items, states
        self._scorer = BehaviourScorer(personal.config, personal.parameters, personal.items)

    @torch.no_grad()
    def scores(self, histories: Histories, /) -> Float32s:
        """(B, N) logits of every item for each history."""
        rows = [self._states.query(histories.take([row])) for row in range(len(histories))]
        return self._items.logits(torch.cat(rows)).numpy().astype(np.float32, copy=False)

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """Contribution of each of the latest events."""
        return self._scorer.evidence(history, targets)
