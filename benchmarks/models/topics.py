"""What a blurb is about: which way of choosing two of the user's interests names the right ones.

Four ways: the strongest interests that the item belongs to, or else the strongest of all, which is
what the product does (`own`); the strongest of all (`weight`); those nearest to the item; and those
nearest to the content that a VAE-GAN of the platform's own generates for the user. `next`
is the share of users for whom the blurb of what they take next names an interest that this item
belongs to; `listed` the mean share of ten recommended items (item kNN plus TF-IDF) of which that is
so. Every second validation user decides when the content model stops, the others are measured: no
test item is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.models.own_content import SEEDS, content_model, halves
from clients.data.dataset import Int32s
from clients.evaluation.ranking import top_items, unseen_scores
from clients.evaluation.split import Fold
from clients.profile import Crowd, Portrait, PortraitInterest, named_interests, portrait
from clients.ranking.config import RankingConfig
from clients.ranking.facts import Float32s, ItemFacts
from clients.recommenders.content import OneContentScorer
from clients.recommenders.weighted_sum import ItemKNNPlusTfIdf
from simulations.platforms import LabPlatform

NAMED, LISTED = 2, 10
Interests = Sequence[PortraitInterest]
Choose = Callable[[Portrait, int], Interests]


def rows(platform: LabPlatform) -> Iterator[dict[str, Any]]:
    """One row a way; content models of several seeds, trained and not."""
    stop, judge = halves(platform.split.validation)
    measured = _Measured(platform, judge)
    yield {"way": "own", **measured.by_item(measured.belonging)}
    yield {"way": "weight", **measured.by_weight()}
    yield {"way": "item", **measured.by_item(measured.nearest_to_item)}
    for seed in SEEDS:
        for steps in (0, None):
            model = content_model(platform, stop, seed, steps)
            scorer = OneContentScorer(model.config, model.parameters, platform.vectors)
            way = "untrained content" if steps == 0 else "content"
            yield {"way": way, "seed": seed, **measured.by_content(scorer)}


class _Measured:
    """Users, their portraits, what they take next and what is recommended to them."""

    def __init__(self, platform: LabPlatform, fold: Fold) -> None:
        vectors = platform.vectors.numpy()
        self._facts = ItemFacts.of(platform.catalogue, vectors, RankingConfig())
        crowd = Crowd.of(platform.split.training, len(vectors))
        self._histories = [fold.contexts.take([row]) for row in range(len(fold))]
        self._likes = [portrait(one, self._facts, crowd) for one in self._histories]
        self._targets = fold.targets[:, None]
        model = ItemKNNPlusTfIdf().fit(platform.split.training, platform.catalogue)
        self._lists = top_items(unseen_scores(model, fold.contexts), LISTED)

    def by_weight(self) -> dict[str, Any]:
        """The same interests for every item."""
        return self._shares([likes.interests[:NAMED] for likes in self._likes])

    def by_content(self, scorer: OneContentScorer) -> dict[str, Any]:
        """One content a user, the same for every item."""
        queries = [scorer.queries(one)[0] for one in self._histories]
        chosen = zip(self._likes, queries, strict=True)
        return self._shares([self._nearest(*of_user) for of_user in chosen])

    def by_item(self, choose: Choose) -> dict[str, Any]:
        """Other interests for each item."""
        return {
            name: self._mean(
                items,
                [
                    [choose(likes, int(item)) for item in row]
                    for likes, row in zip(self._likes, items, strict=True)
                ],
            )
            for name, items in self._asked.items()
        }

    def belonging(self, likes: Portrait, item: int) -> Interests:
        """What the product names."""
        return named_interests(likes, self._facts, item, NAMED)

    def nearest_to_item(self, likes: Portrait, item: int) -> Interests:
        """The interests whose items are nearest to an item."""
        return self._nearest(likes, self._facts.vectors[item])

    @property
    def _asked(self) -> Mapping[str, Int32s]:
        return {"next": self._targets, "listed": self._lists}

    def _nearest(self, likes: Portrait, content: Float32s) -> Interests:
        """The interests whose items are nearest to a content vector (d,)."""

        def nearness(interest: PortraitInterest) -> float:
            return float((self._facts.vectors[list(interest.items)] @ content).mean())

        return sorted(likes.interests, key=nearness, reverse=True)[:NAMED]

    def _shares(self, named: Sequence[Interests]) -> dict[str, Any]:
        return {
            name: self._mean(items, [[one] * items.shape[1] for one in named])
            for name, items in self._asked.items()
        }

    def _mean(self, items: Int32s, named: Sequence[Sequence[Interests]]) -> float:
        """Share of (U, K) `items` of which their interests say something true."""
        right = [
            self._belongs(int(item), interests)
            for row, of_user in zip(items, named, strict=True)
            for item, interests in zip(row, of_user, strict=True)
        ]
        return round(float(np.mean(right)), 4)

    def _belongs(self, item: int, interests: Interests) -> bool:
        labels = self._facts.categories.names_of(item)
        return any(interest.label in labels for interest in interests)
