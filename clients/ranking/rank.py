"""The one function that turns scored candidates into the list that a user sees.

::

    candidates → filters → + freshness - fatigue - demotion → pool → ± neighbours of what the user
    reacted to → diversity and category caps → list, each item with what moved it

Everything before diversity is a summand of the score, so an item's numbers add up to its total.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clients.data.dataset import Float64s, Int64s
from clients.ranking.config import RankingConfig
from clients.ranking.diversity import Determinant, MarginalRelevance, Variety, select
from clients.ranking.facts import Float32s, ItemFacts
from clients.ranking.filters import Mask, eligible
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
        (K,) float32 or float64, larger is better; an item whose score is not finite is left out.
    more
        Where `items` are the best of a catalogue too large to be scored: scores any items, for
        filters that take so many that those are not enough. None: `items` are all there are.
    """

    items: Int64s
    scores: Float32s | Float64s
    more: Callable[[Int64s], Float32s] | None = None

    def without(self, items: Sequence[int]) -> Candidates:
        """All but some."""
        others = ~np.isin(self.items, items)
        more, scores = self.more, self.scores[others]
        if more is None:
            return Candidates(self.items[others], scores)

        def rest(wanted: Int64s) -> Float32s:
            return np.where(np.isin(wanted, items), np.float32(-np.inf), more(wanted))

        return Candidates(self.items[others], scores, rest)

    def with_these(self, items: Int64s) -> Candidates:
        """And some more items, where not all are candidates anyway."""
        if self.more is None:
            return self
        others = np.setdiff1d(items, self.items)
        scores = np.concatenate([self.scores, self.more(others)])
        return Candidates(np.concatenate([self.items, others]), scores, self.more)

    def enough(self, allowed: Mask, least: int) -> Candidates:
        """Candidates among which there are `least` of the allowed items, or all of these."""
        if self.more is None or np.count_nonzero(allowed[self.items]) >= least:
            return self
        items = np.flatnonzero(allowed)
        return self if len(items) == 0 else Candidates(items, self.more(items))


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
    size = max(config.pool, POOL_PER_PLACE * k)
    if config.freshness.weight and facts.newest is not None:
        candidates = candidates.with_these(facts.newest)
    candidates = candidates.enough(allowed, size)
    pool = _Pool.best(candidates, allowed, situation, facts, config, size, k)
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
    def best(
        cls,
        candidates: Candidates,
        allowed: Mask,
        situation: Situation,
        facts: ItemFacts,
        config: RankingConfig,
        size: int,
        k: int,
    ) -> _Pool:
        """The `size` best that are allowed, and as many more as a list of `k` within the cap needs.

        Everything up to here has the size of the candidates, so it makes few passes over them.
        """
        added = _everywhere(candidates.items, situation, facts, config)
        totals = candidates.scores
        for values in added.values():
            totals = totals + values
        usable = allowed[candidates.items] & np.isfinite(totals)
        groups = facts.group[candidates.items] if config.category_cap else None
        top = _top(totals, usable, size)
        if groups is not None:
            top = _within_cap(totals, usable, top, groups, config.category_cap, k)
        reasons = {name: values[top] for name, values in added.items()}
        scores = candidates.scores[top].astype(np.float64)
        whole = scores + sum(reasons.values())
        return cls(candidates.items[top], scores, whole, reasons, facts)

    def add_neighbours(self, situation: Situation, config: RankingConfig) -> None:
        """What is worth computing for the pool only."""
        effects = neighbour_effects(
            situation.feedback, self.items, self.facts, situation.now, config.feedback
        )
        for name, values in effects.items():
            self._add(name, values)

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


def _everywhere(
    items: Int64s, situation: Situation, facts: ItemFacts, config: RankingConfig
) -> dict[str, Float64s]:
    """Reason → (K,) what is cheap enough to be added to every candidate."""
    found: dict[str, Float64s] = {}
    fresh = config.freshness
    if fresh.weight and facts.added is not None:
        age = np.maximum(situation.now - facts.added[items], 0.0) / DAY
        found["freshness"] = np.nan_to_num(fresh.weight * 0.5 ** (age / fresh.half_life_days))
    reactions = penalties(situation.feedback, situation.now, config.feedback)
    for name, (those, values) in reactions.items():
        everywhere = np.zeros(len(facts))
        everywhere[those.astype(np.int64)] = values
        found[name] = everywhere[items]
    return found


def _top(values: Float32s | Float64s, usable: Mask, size: int) -> Int64s:
    """Positions of the `size` largest usable values, falling; ties go to the first."""
    count = int(np.count_nonzero(usable))
    if count <= size:
        found = np.flatnonzero(usable)
        return found[_falling(values[found])]
    open_ = np.where(usable, values, values.dtype.type(-np.inf))
    threshold = np.partition(open_, len(open_) - size)[len(open_) - size]
    above = np.flatnonzero(open_ >= threshold)
    return np.asarray(above[_falling(values[above])][:size])


def _within_cap(
    values: Float32s | Float64s, usable: Mask, top: Int64s, groups: Int64s, cap: int, k: int
) -> Int64s:
    """`top`, and as many more positions as a list of `k` within the category cap needs."""
    if np.minimum(np.bincount(groups[top]), cap).sum() >= k:
        return top
    open_ = np.flatnonzero(usable)
    order = open_[_falling(values[open_])]
    within = _place_in_group(groups[order]) < cap
    return np.concatenate([top, np.setdiff1d(order[within][:k], top)])


def _falling(values: Float32s | Float64s) -> Int64s:
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
