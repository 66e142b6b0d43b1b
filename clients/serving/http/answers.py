"""From what the engine says to what travels."""

from __future__ import annotations

import math

from clients.data.dataset import Catalogue
from clients.explaining.explanation import Explanation
from clients.profile import Portrait
from clients.ranking.rank import RankedItem
from clients.serving.engine import Answered
from clients.serving.http.schemas import (
    PastItem,
    Place,
    ProfileAnswer,
    Reasons,
    RecommendationAnswer,
    SimilarAnswer,
    SimilarItem,
    TextOut,
)
from shared.contract import EVENT_TYPES


def recommendation_answer(answered: Answered) -> RecommendationAnswer:
    """A list of recommendations."""
    advice = answered.advice
    ranked = advice.answer.ranked
    return RecommendationAnswer.model_construct(
        items=[_place(answered, row) for row in range(len(ranked.items))],
        fallback=advice.answer.fallback,
        note=advice.note,
        filtered=dict(ranked.filtered),
        diversity=ranked.diversity,
        model=answered.model,
    )


def similar_answer(
    items: tuple[RankedItem, ...], by_text: bool, catalogue: Catalogue
) -> SimilarAnswer:
    """Items like one item."""
    found = [
        SimilarItem(
            item=catalogue.item_ids[one.item], title=catalogue.titles[one.item], score=one.total
        )
        for one in items
    ]
    return SimilarAnswer(items=found, by_text=by_text)


def profile_answer(portrait: Portrait, catalogue: Catalogue) -> ProfileAnswer:
    """A user's portrait."""
    return ProfileAnswer.model_validate(portrait.as_json(catalogue.item_ids))


def _place(answered: Answered, row: int) -> Place:
    advice, catalogue, parts = answered.advice, answered.catalogue, answered.parts
    ranked = advice.answer.ranked.items[row]
    reasons = None
    if row < len(advice.explanations):
        reasons = _reasons(advice.explanations[row], advice.sentences[row], catalogue)
    elif row < len(advice.sentences):
        sentence = advice.sentences[row]
        reasons = Reasons(sentence=sentence, total=ranked.total, past_items=[], rest={})
    text = None
    if row < len(advice.texts):
        text = TextOut(text=advice.texts[row].text, source=advice.texts[row].source)
    return Place.model_construct(  # ours: checked by the types, not again for every request
        item=catalogue.item_ids[ranked.item],
        title=catalogue.titles[ranked.item],
        score=ranked.total,
        parts=parts[row] if parts else {},
        adjustments=dict(ranked.adjustments),
        relevance_place=ranked.relevance_place,
        reasons=reasons,
        text=text,
    )


def _reasons(explanation: Explanation, sentence: str, catalogue: Catalogue) -> Reasons:
    past = [
        PastItem(
            item=catalogue.item_ids[one.item],
            title=catalogue.titles[one.item],
            event=EVENT_TYPES[one.event],
            value=one.value,
            parts={name: value for name, value in one.parts.items() if value},
        )
        for one in explanation.reasons
        if math.isfinite(one.value)
    ]
    return Reasons(
        sentence=sentence, total=explanation.total, past_items=past, rest=dict(explanation.rest)
    )
