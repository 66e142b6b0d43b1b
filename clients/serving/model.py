"""What scores items while the service runs: a bundle with the users' states."""

from __future__ import annotations

import numpy as np

from clients.advice import Scores
from clients.bundle import Bundle, scorers
from clients.data.dataset import Histories
from clients.recommenders.local_parts import MODEL_PART, fusion_parts
from clients.retrieval.candidates import IndexedScoring
from clients.serving.config import ServingConfig
from clients.serving.states import ServedBehaviour, UserStates


class ServedModel:
    """A bundle at work; used from one thread.

    Each LSTM of the bundle, the node's own, the untrained and the released one, has states of its
    own; a part without a weight has none and costs nothing.

    Parameters
    ----------
    bundle
        Loaded and checked.
    config
        Sizes.
    """

    def __init__(self, bundle: Bundle, config: ServingConfig) -> None:
        self.manifest = bundle.manifest
        self.vectors = bundle.personal.items.vectors.numpy()
        own = UserStates(bundle.personal, config.cached_users)
        behaviour, learned = ServedBehaviour(bundle.personal, own), bundle.weights
        lstms = bundle.lstms()
        models = scorers(lstms, bundle.contents()) | {MODEL_PART: behaviour}
        self.states: tuple[UserStates, ...] = (own,)
        """Of the node's own model, then of each other LSTM that has a weight."""
        for part, model in lstms.items():
            if part != MODEL_PART and part in learned.used:
                self.states += (UserStates(model, config.cached_users),)
                models[part] = ServedBehaviour(model, self.states[-1])
        self._fusion = learned.fusion(fusion_parts(bundle.local, models))
        self._all = np.arange(bundle.manifest.items)
        self.indexed: IndexedScoring | None = None
        """Finds candidates where the catalogue is large and the bundle has an index."""
        if bundle.index is not None and bundle.manifest.items >= config.index_from:
            self.indexed = IndexedScoring(self._fusion, behaviour, bundle.index, config)

    def score(self, histories: Histories) -> list[Scores]:
        """Candidates for each of B users, none of whom has an empty history."""
        if self.indexed is not None:
            return self.indexed.score(histories)
        found = self._fusion.contributions(histories)
        return [
            Scores(self._all, self._fusion.parts, {name: rows[row] for name, rows in found.items()})
            for row in range(len(histories))
        ]

    def advance(self, history: Histories) -> None:
        """Take the last event of one user's `history` into the states of every model."""
        for states in self.states:
            states.advance(history)

    def forget(self, user: str) -> None:
        """Drop a user's states."""
        for states in self.states:
            states.forget(user)

    @property
    def users_kept(self) -> int:
        """Users whose state is in memory."""
        return max(len(states) for states in self.states)
