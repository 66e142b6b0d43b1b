"""What the node says to one request: list, explanations, texts, portrait; no I/O.

The service scores items and stores events; this joins ranking, explaining and text to one answer,
the same for HTTP, for the command line and for batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clients.data.dataset import Catalogue, Float64s, Histories, Int64s
from clients.explaining.explanation import Explanation, explain
from clients.explaining.wording import Language, deeds_of, sentence
from clients.profile import Crowd, Portrait, named_interests, portrait
from clients.ranking.config import RankingConfig
from clients.ranking.facts import Column, Float32s, ItemFacts
from clients.ranking.fallback import WORDS, Answer, rank_or_fall_back, similar_items
from clients.ranking.rank import Candidates, RankedList, rank
from clients.ranking.request import Feedback, Filters, Situation
from clients.recommenders.distributions import Part
from clients.recommenders.fusion import ItemWeights
from clients.text.assemble import blurb_facts, explanation_facts, interests_facts
from clients.text.facts import ItemText
from clients.text.writer import TextWriter, Written
from shared.contract import EVENT_TYPES


@dataclass(frozen=True, slots=True)
class Scores:
    """Items scored for one user by a fusion.

    Attributes
    ----------
    items
        (K,) int64 distinct item indices: the catalogue, or what an index found.
    parts
        `Fusion.parts`.
    summands
        Part → (K,) its summand of each item's score.
    others
        Where an index found the items: the summands of any items. None: `items` is all there is.
    """

    items: Int64s
    parts: Mapping[str, tuple[Part, ItemWeights]]
    summands: Mapping[str, Float32s]
    others: Callable[[Int64s], Mapping[str, Float32s]] | None = None

    def candidates(self) -> Candidates:
        """Items and their whole scores."""
        others = self.others
        more = None if others is None else lambda items: _added(others(items))
        return Candidates(self.items, _added(self.summands), more)

    def of(self, targets: Int64s) -> dict[str, Float64s]:
        """Part → (T,) summands of some items of a list."""
        if self.others is not None:
            found = self.others(targets)
            return {name: values.astype(np.float64) for name, values in found.items()}
        order = np.argsort(self.items, kind="stable")
        where = order[np.searchsorted(self.items, targets, sorter=order)]
        return {name: v[where].astype(np.float64) for name, v in self.summands.items()}


def _added(summands: Mapping[str, Float32s]) -> Float32s:
    """(K,) sums, without a copy of all summands beside each other."""
    first, *rest = summands.values()
    total = first.copy()
    for one in rest:
        total += one
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a request asks for beside the list.

    Attributes
    ----------
    explain
        With explanations.
    text
        With a text for each item: a blurb, or an explanation in words (a blurb where nothing of
        the history speaks for the item). All texts of a request share the writer's time.
    language
        Of sentences and texts.
    """

    explain: bool = False
    text: Literal["blurb", "explanation"] | None = None
    language: Language = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The answer.

    Attributes
    ----------
    answer
        The list and the reason of a fallback.
    note
        The fallback in words, empty if there is none.
    explanations, sentences
        For each place, where asked for; a fallback from popularity has no explanation by parts.
    texts
        For each place, where asked for.
    """

    answer: Answer
    note: str = ""
    explanations: tuple[Explanation, ...] = ()
    sentences: tuple[str, ...] = ()
    texts: tuple[Written, ...] = ()


class Adviser:
    """Everything about a platform that advice needs.

    Parameters
    ----------
    catalogue, histories
        The platform's data, for facts, popularity and novelty.
    vectors
        (N, d) item vectors.
    config
        Section ``[ranking]``.
    writer
        Of texts.
    columns
        Further columns of the items, see `ItemFacts.of`.

    Raises
    ------
    UnusableFactsError
        A column that `config` names is missing or not usable.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        histories: Histories,
        vectors: Float32s,
        config: RankingConfig,
        writer: TextWriter,
        columns: Mapping[str, Column] | None = None,
    ) -> None:
        self.catalogue, self.config, self.writer = catalogue, config, writer
        self.facts = ItemFacts.of(catalogue, vectors, config, columns)
        self.crowd = Crowd.of(histories, len(catalogue))
        counts = np.bincount(histories.items, minlength=len(catalogue))
        self.popularity: Float64s = counts.astype(np.float64)
        completing = [EVENT_TYPES.index(name) for name in config.prerequisites.completed_by]
        self._completing = np.array(completing, dtype=np.int64)

    def situation(
        self,
        history: Histories,
        now: float,
        *,
        feedback: Feedback | None = None,
        filters: Filters | None = None,
        diversity: float | None = None,
    ) -> Situation:
        """One user's situation, from the history of that user."""
        items = history.items.astype(np.int64)
        done = np.isin(history.events, self._completing) if self.facts.requires else None
        return Situation(
            now=now,
            seen=items,
            completed=items[:0] if done is None else items[done],
            feedback=feedback or Feedback(),
            filters=filters or Filters(),
            diversity=diversity,
        )

    def advise(
        self, scores: Scores | None, history: Histories, situation: Situation, k: int, wish: Wish
    ) -> Advice:
        """The best `k` items for the one user of `history`; without `scores` a fallback.

        Raises
        ------
        UnknownAttributeError
            A filter names a column that the items do not have.
        """
        found = scores.candidates() if scores is not None else None
        answer = rank_or_fall_back(found, situation, self.facts, self.config, self.popularity, k)
        note = WORDS[wish.language][answer.fallback] if answer.fallback else ""
        reasons: tuple[Explanation, ...] = ()
        if (
            scores is not None
            and len(history.items)
            and (wish.explain or wish.text == "explanation")
        ):
            reasons = tuple(self._explained(scores, history, answer.ranked))
        return Advice(
            answer=answer,
            note=note,
            explanations=reasons if wish.explain else (),
            sentences=self._sentences(answer.ranked, reasons, note, wish) if wish.explain else (),
            texts=self._texts(answer.ranked, reasons, history, wish) if wish.text else (),
        )

    def similar(self, item: int, situation: Situation, k: int) -> tuple[RankedList, bool]:
        """Items like one item, and whether its text said enough to tell."""
        candidates, by_text = similar_items(item, self.facts, self.popularity)
        return rank(candidates, situation, self.facts, self.config, k), by_text

    def portrait(self, history: Histories, zone: str = "UTC") -> Portrait:
        """What the platform's data say about the one user of `history`."""
        return portrait(history, self.facts, self.crowd, zone=zone)

    def summary(self, found: Portrait, language: Language) -> Written:
        """A portrait's interests in words."""
        return self.writer.write(interests_facts(found, self.catalogue), language)

    def _explained(
        self, scores: Scores, history: Histories, ranked: RankedList
    ) -> list[Explanation]:
        targets = np.array([place.item for place in ranked.items], dtype=np.int64)
        adjustments = [place.adjustments for place in ranked.items]
        return explain(
            scores.parts, scores.of(targets), history, targets, len(self.catalogue), adjustments
        )

    def _sentences(
        self, ranked: RankedList, reasons: tuple[Explanation, ...], note: str, wish: Wish
    ) -> tuple[str, ...]:
        titles = self.catalogue.titles
        if not reasons:
            return (note,) * len(ranked)
        return tuple(sentence(one, titles, wish.language) for one in reasons)

    def _texts(
        self,
        ranked: RankedList,
        reasons: tuple[Explanation, ...],
        history: Histories,
        wish: Wish,
    ) -> tuple[Written, ...]:
        likes, deadline = self.portrait(history), self.writer.deadline()
        texts = []
        for row, place in enumerate(ranked.items):
            asked = reasons[row] if reasons and wish.text == "explanation" else None
            deeds = deeds_of(asked, self.catalogue.titles, wish.language) if asked else ()
            facts = (
                explanation_facts(place.item, self.catalogue, deeds)
                if deeds
                else self._blurb(place.item, likes)
            )
            texts.append(self.writer.write(facts, wish.language, deadline))
        return tuple(texts)

    def _blurb(self, item: int, likes: Portrait) -> ItemText:
        return blurb_facts(item, self.catalogue, named_interests(likes, self.facts, item))
