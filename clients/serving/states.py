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
from clients.training.batches import recent_sequences
from clients.training.personalise import PersonalModel
from shared.models.behaviour import BehaviourLSTM, BehaviourState
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

    def queries(self, histories: Histories) -> Tensor:
        """(B, d) query of each user, from the kept state where it is this far."""
        counts = histories.lengths.tolist()
        kept = [self._states.get(user) for user in histories.users]
        stale = [r for r, s in enumerate(kept) if s is None or s[0] != counts[r]]
        found = {row: state[1] for row, state in enumerate(kept) if state is not None}
        if stale:
            found.update(zip(stale, self._folded(histories.take(stale)), strict=True))
        for row, user in enumerate(histories.users):
            self._keep(user, counts[row], found[row])
        return self._model.query_of(_stacked([found[row] for row in range(len(histories))]))

    def advance(self, history: Histories) -> None:
        """Take in the last event of `history`, if the state before it is kept."""
        user, count = history.users[0], len(history.items)
        found = self._states.get(user)
        if found is None:
            return
        if found[0] != count - 1 or self.start(count) != self.start(count - 1):
            self._keep(user, count, self._folded(history)[0])
            return
        vectors, events, gaps = self._last(history)
        self._keep(user, count, self._model.advance(found[1], vectors, events, gaps))

    def forget(self, user: str) -> None:
        """Drop a user's state."""
        self._states.pop(user, None)

    def start(self, count: int) -> int:
        """First event of the window when there are `count` events."""
        return max(0, (count - self._window) // self._window * self._window)

    def _folded(self, histories: Histories) -> list[BehaviourState]:
        """The state of each user, computed anew and all at once."""
        counts = histories.lengths
        window = counts - np.array([self.start(int(n)) for n in counts], dtype=np.int64)
        state = self._model.fold(recent_sequences(histories, window), self._items)
        return [
            BehaviourState(
                recurrent=state.recurrent[:, :, row : row + 1],
                profile=state.profile[row : row + 1],
            )
            for row in range(len(histories))
        ]

    def _last(self, history: Histories) -> tuple[Tensor, Tensor, Tensor]:
        """Vector (1, d), event type and gap (1,) of the last event."""
        last = recent_sequences(history, 1)
        return self._items.vectors[last.items], last.events, last.gaps

    def _keep(self, user: str, count: int, state: BehaviourState) -> None:
        self._states[user] = (count, state)
        self._states.move_to_end(user)
        while len(self._states) > self._size:
            self._states.popitem(last=False)


def _stacked(states: list[BehaviourState]) -> BehaviourState:
    return BehaviourState(
        recurrent=torch.cat([state.recurrent for state in states], dim=2),
        profile=torch.cat([state.profile for state in states]),
    )


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

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self._items)

    def queries(self, histories: Histories) -> Float32s:
        """(B, d) query of each user."""
        return np.asarray(self._states.queries(histories).numpy(), dtype=np.float32)

    def logits_of(self, query: Float32s, items: Int64s) -> Float32s:
        """(K,) logits of some items for one query."""
        rows = torch.from_numpy(items)
        logits = self._items.vectors.index_select(0, rows) @ torch.from_numpy(query)
        if self._items.bias is not None:
            logits += self._items.bias[rows]
        return np.asarray(logits.numpy(), dtype=np.float32)

    @torch.no_grad()
    def scores(self, histories: Histories, /) -> Float32s:
        """(B, N) logits of every item for each history."""
        queries = self._states.queries(histories)
        return self._items.logits(queries).numpy().astype(np.float32, copy=False)

    def evidence(self, history: Histories, targets: Int64s, /) -> Evidence:
        """Contribution of each of the latest events."""
        return self._scorer.evidence(history, targets)
