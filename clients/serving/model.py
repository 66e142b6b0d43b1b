"""What scores items while the service runs: a bundle with the users' states."""

from __future__ import annotations

import numpy as np

from clients.advice import Scores
from clients.bundle import Bundle
from clients.data.dataset import Histories
from clients.recommenders.base import Float32s
from clients.recommenders.content import ContentScorer
from clients.recommenders.fusion import Fusion
from clients.recommenders.local_parts import fusion_parts
from clients.retrieval.candidates import IndexedScoring
from clients.serving.config import ServingConfig
from clients.serving.states import ServedBehaviour, UserStates


class ServedModel:
    """A bundle at work; used from one thread.

    Parameters
    ----------
    bundle
        Loaded and checked.
    config
        Sizes.
    """

    def __init__(self, bundle: Bundle, config: ServingConfig) -> None:
        self.manifest = bundle.manifest
        self.states = UserStates(bundle.personal, config.cached_users)
        self.vectors = bundle.personal.items.vectors.numpy()
        behaviour = ServedBehaviour(bundle.personal, self.states)
        parts = fusion_parts(bundle.local, behaviour)
        self._fusion = Fusion(parts, bundle.manifest.fusion.weights)
        self._content = _content_scorer(bundle)
        self._all = np.arange(bundle.manifest.items)
        self.indexed: IndexedScoring | None = None
        """Finds candidates where the catalogue is large and the bundle has an index."""
        if bundle.index is not None and bundle.manifest.items >= config.index_from:
            self.indexed = IndexedScoring(self._fusion, behaviour, bundle.index, config)

    def content(self, history: Histories) -> Float32s | None:
        """(d,) content that the VAE-GAN generates for one user; None without such a model."""
        if self._content is None or not len(history.items):
            return None
        return np.asarray(self._content.contents(history)[0, 0])

    def score(self, histories: Histories) -> list[Scores]:
        """Candidates for each of B users, none of whom has an empty history."""
        if self.indexed is not None:
            return self.indexed.score(histories)
        found = self._fusion.contributions(histories)
        return [
            Scores(self._all, self._fusion.parts, {name: rows[row] for name, rows in found.items()})
            for row in range(len(histories))
        ]


def _content_scorer(bundle: Bundle) -> ContentScorer | None:
    """The bundle's content model, which generates the one content of the mean latent."""
    if bundle.content is None:
        return None
    part, vectors = bundle.content, bundle.personal.items.vectors
    return ContentScorer(part.config, part.parameters, vectors, draws=0)
