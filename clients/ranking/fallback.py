"""A list for everybody: what is recommended when the models cannot, and why.

================  ==================================================================
reason            what the user gets
================  ==================================================================
``new_user``      what is popular here
``no_model``      what is popular, nearer to the user's own items first
``all_seen``      what is new to the user, then items that the user already had
``nothing_fits``  an empty list: no item passes the filters, and the list says which
================  ==================================================================

Only the filter for seen items ever gives way. Stock, deny lists, dislikes, prerequisites and
suitability hold in every fallback, because every list goes through `clients.ranking.rank.rank`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from clients.data.dataset import Float64s, Int64s
from clients.explaining.wording import Language
from clients.ranking.config import RankingConfig
from clients.ranking.facts import ItemFacts
from clients.ranking.rank import Candidates, RankedList, rank
from clients.ranking.request import Situation

FallbackReason = Literal["new_user", "no_model", "all_seen", "nothing_fits"]
WORDS: Final[Mapping[Language, Mapping[FallbackReason, str]]] = {
    "en": {
        "new_user": "There is no history yet; these items are popular here.",
        "no_model": "No model is loaded; these are popular here and like what was met before.",
        "all_seen": "Nothing else fits; some of these items were met before.",
        "nothing_fits": "No item passes the filters.",
    },
    "zh": {
        "new_user": "暂无浏览记录，为您推荐本平台的热门内容。",
        "no_model": "模型尚未加载，为您推荐热门且与您看过的相近的内容。",
        "all_seen": "没有其他符合条件的内容，其中部分您已看过。",
        "nothing_fits": "没有符合筛选条件的内容。",
    },
}
NEARNESS: Final = 10.0
"""Weight of the cosine beside the logarithm of popularity, as in the behaviour model's profile."""
DECAY: Final = 0.8


@dataclass(frozen=True, slots=True)
class Answer:
    """A list and, where it is not what the models would say, the reason."""

    ranked: RankedList
    fallback: FallbackReason | None


def rank_or_fall_back(
    candidates: Candidates | None,
    situation: Situation,
    facts: ItemFacts,
    config: RankingConfig,
    popularity: Float64s,
    k: int,
) -> Answer:
    """The best `k` items; there is an answer whatever is missing.

    Parameters
    ----------
    candidates
        Scored by the models; None: there are none.
    popularity
        (N,) events of each item.

    Raises
    ------
    UnknownAttributeError
        A filter names a column that the items do not have.
    """
    reason: FallbackReason | None = None
    if candidates is None or not len(situation.seen):
        reason = "no_model" if candidates is None and len(situation.seen) else "new_user"
        candidates = popular(facts, popularity, situation.seen)
    ranked = rank(candidates, situation, facts, config, k)
    if len(ranked) < k and "seen" in ranked.filtered:
        filled = _with_seen(ranked, candidates, situation, facts, config, k)
        reason = "all_seen" if len(filled) > len(ranked) else reason
        ranked = filled
    return Answer(ranked, reason if len(ranked) else "nothing_fits")


def popular(facts: ItemFacts, popularity: Float64s, seen: Int64s) -> Candidates:
    """Every item by the logarithm of its share of events, and its nearness to what was seen.

    Parameters
    ----------
    seen
        Item indices of the user's history, the latest last.
    """
    smoothed = popularity + 0.5
    scores = np.log(smoothed / smoothed.sum())
    if len(seen):
        weights = DECAY ** np.arange(len(seen) - 1, -1, -1, dtype=np.float32)
        profile = weights @ facts.vectors[seen]
        length = max(float(np.linalg.norm(profile)), 1e-9)
        scores = scores + NEARNESS / length * (facts.vectors @ profile)
    return Candidates(np.arange(len(facts)), scores)


def similar_items(item: int, facts: ItemFacts, popularity: Float64s) -> tuple[Candidates, bool]:
    """Items like one item, and whether its text says enough; otherwise popular of its category.

    The item itself is no candidate.
    """
    vector = facts.vectors[item]
    if vector.any():
        scores = (facts.vectors @ vector).astype(np.float64)
    else:
        scores = np.log(popularity + 0.5)
        scores[facts.group != facts.group[item]] = -np.inf
    scores[item] = -np.inf
    return Candidates(np.arange(len(facts)), scores), bool(vector.any())


def _with_seen(
    ranked: RankedList,
    candidates: Candidates,
    situation: Situation,
    facts: ItemFacts,
    config: RankingConfig,
    k: int,
) -> RankedList:
    """`ranked`, filled up with items that the user already had."""
    again = replace(situation, filters=situation.filters.model_copy(update={"include_seen": True}))
    first = {place.item for place in ranked.items}
    more = rank(candidates.without(list(first)), again, facts, config, k - len(ranked))
    return replace(
        ranked, items=(*ranked.items, *more.items), cap_kept=ranked.cap_kept and more.cap_kept
    )
