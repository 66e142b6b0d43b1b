"""The one function that turns scored candidates into the list that a user sees.

::

    candidates → filters → + freshness - fatigue - demotion → pool → ± neighbours of what the user
    reacted to → diversity and category caps → list, each item with what moved it

Everything before diversity is a summand of the score, so an item's numbers add up to its total.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clients.data.dataset import Float64s, Int64s
from clients.ranking.config import RankingConfig
from clients.ranking.diversity import Determinant, MarginalRelevance, Variety, select
from clients.ranking.facts import Float32s, ItemFacts
from clients.ranking.filters import eligible
from clients.ranking.reactions import DAY, neighbour_effects, penalties
from clients.ranking.request import Situation

POOL_PER_PLACE = 4


@dataclass(frozen=True, slots=True)
class Candidates:
    """Scored items.

    Attributes
    ----------
    items
        (K,) int64 distinct item indices.
    scores
        (K,) float64, larger is better; an item whose score is not finite is left out.
    """

    items: Int64s
    scores: Float64s


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedItem:
    """One place of a list.

    Attributes
    ----------
    item
        Item index.
    score
        As it came in.
    adjustments
        Reason → what ranking added to the score.
    relevance_place
        Place (from 1) that `total` alone would have given; the difference is due to diversity.
    """

    item: int
    score: float
    adjustments: Mapping[str, float]
    relevance_place: int

    @property
    def total(self) -> float:
        """Score and adjustments."""
        return self.score + sum(self.adjustments.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedList:
    """What a user sees, best first.

    Attributes
    ----------
    items
        The places.
    filtered
        Filter → how many items of the catalogue it took.
    diversity
        Dial that was in force.
    cap_kept
        False where there were too few categories for the cap.
    """

    items: tuple[RankedItem, ...]
    filtered: Mapping[str, int]
    diversity: float
    cap_kept: bool

    def __len__(self) -> int:
        return len(self.items)


def rank(
    candidates: Candidates, situation: Situation, facts: ItemFacts, config: RankingConfig, k: int
) -> RankedList:
    """The best `k` candidates for this user, now.

    Raises
    ------
    UnknownAttributeError
        A filter names a column that the items do not have.
    """
    allowed, filtered = eligible(facts, situation, config)
    usable = allowed[candidates.items] & np.isfinite(candidates.scores)
    pool = _Pool.of(candidates.items[usable], candidates.scores[usable], facts)
    pool.add_everywhere(situation, config)
    pool = pool.best(max(config.pool, POOL_PER_PLACE * k), k, config.category_cap)
    pool.add_neighbours(situation, config)
    pool = pool.ordered()
    dial = config.diversity if situation.diversity is None else situation.diversity
    places, cap_kept = pool.listed(dial, config, k)
    return RankedList(
        items=tuple(pool.place(int(place)) for place in places),
        filtered=filtered,
        diversity=dial,
        cap_kept=cap_kept,
    )


@dataclass(slots=True)
class _Pool:
    """Candidates on their way into a list."""

    items: Int64s
    scores: Float64s
    totals: Float64s
    reasons: dict[str, Float64s]
    facts: ItemFacts

    @classmethod
    def of(cls, items: Int64s, scores: Float64s, facts: ItemFacts) -> _Pool:
        wide = scores.astype(np.float64)
        return cls(items, wide, wide.copy(), {}, facts)

    def add_everywhere(self, situation: Situation, config: RankingConfig) -> None:
        """What is cheap enough to be added to every candidate."""
        fresh = config.freshness
        if fresh.weight and self.facts.added is not None:
            age = np.maximum(situation.now - self.facts.added[self.items], 0.0) / DAY
            self._add(
                "freshness", np.nan_to_num(fresh.weight * 0.5 ** (age / fresh.half_life_days))
            )
        reactions = penalties(situation.feedback, situation.now, config.feedback)
        for name, (items, values) in reactions.items():
            everywhere = np.zeros(len(self.facts))
            everywhere[items.astype(np.int64)] = values
            self._add(name, everywhere[self.items])

    def add_neighbours(self, situation: Situation, config: RankingConfig) -> None:
        """What is worth computing for the pool only."""
        effects = neighbour_effects(
            situation.feedback, self.items, self.facts, situation.now, config.feedback
        )
        for name, values in effects.items():
            self._add(name, values)

    def best(self, size: int, k: int, cap: int) -> _Pool:
        """The `size` best, and as many more as a list of `k` within the cap needs."""
        top = _top(self.totals, size)
        sizes = np.bincount(self.facts.group[self.items[top]])
        if cap and len(top) < len(self.items) and np.minimum(sizes, cap).sum() < k:
            order = _falling(self.totals)
            within = _place_in_group(self.facts.group[self.items[order]]) < cap
            top = np.concatenate([top, np.setdiff1d(order[within][:k], top)])
        return self._take(top)

    def ordered(self) -> _Pool:
        """By falling total; ties stay as they are."""
        return self._take(_falling(self.totals))

    def listed(self, dial: float, config: RankingConfig, k: int) -> tuple[Int64s, bool]:
        """Positions of the list's items, and whether the cap was kept."""
        if not dial and not config.category_cap:
            return np.arange(min(k, len(self.items)), dtype=np.int64), True
        variety = _variety(config, self.facts.vectors[self.items], min(k, len(self.items)))
        groups = np.unique(self.facts.group[self.items], return_inverse=True)[1]
        relevance = _scaled(self.totals)
        return select(relevance, variety, dial, groups, config.category_cap, k)

    def place(self, position: int) -> RankedItem:
        added = {name: float(values[position]) for name, values in self.reasons.items()}
        return RankedItem(
            item=int(self.items[position]),
            score=float(self.scores[position]),
            adjustments={name: value for name, value in added.items() if value},
            relevance_place=position + 1,
        )

    def _add(self, reason: str, values: Float64s) -> None:
        self.reasons[reason] = values
        self.totals = self.totals + values

    def _take(self, positions: Int64s) -> _Pool:
        reasons = {name: values[positions] for name, values in self.reasons.items()}
        return _Pool(
            self.items[positions],
            self.scores[positions],
            self.totals[positions],
            reasons,
            self.facts,
        )


def _variety(config: RankingConfig, vectors: Float32s, k: int) -> Variety:
    return Determinant(vectors, k) if config.method == "dpp" else MarginalRelevance(vectors)


def _top(values: Float64s, size: int) -> Int64s:
    """Positions of the `size` largest values, falling; ties go to the first."""
    if len(values) <= size:
        return _falling(values)
    threshold = np.partition(values, len(values) - size)[len(values) - size]
    above = np.flatnonzero(values >= threshold)
    return np.asarray(above[_falling(values[above])][:size])


def _falling(values: Float64s) -> Int64s:
    return np.argsort(-values, kind="stable")


def _place_in_group(groups: Int64s) -> Int64s:
    """(K,) how many of the same group stand before each."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(groups)))
    places = np.empty(len(groups), dtype=np.int64)
    places[order] = np.arange(len(groups)) - np.repeat(starts, sizes)
    return places


def _scaled(totals: Float64s) -> Float64s:
    """(P,) to 1 for the best and 0 for the worst of the pool."""
    span = np.ptp(totals) if len(totals) else 0.0
    return (totals - totals.min()) / span if span else np.zeros(len(totals))
