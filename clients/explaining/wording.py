"""Explanations as sentences, in English and Chinese.

A sentence names the past items that speak most for a recommendation and what the user did with
them; if nothing of the history speaks for it, it says what else does. Titles are the platform's
data and are not trusted: line breaks and control characters are taken out and they are shortened.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from clients.explaining.explanation import EventReason, Explanation
from shared.contract import EVENT_TYPES

Language = Literal["en", "zh"]
LONGEST_TITLE: Final = 80
MOST_NAMED: Final = 2

_DID: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "view": "viewed {}",
        "click": "looked at {}",
        "cart": "put {} in your basket",
        "purchase": "bought {}",
        "rating": "rated {}",
        "review": "reviewed {}",
        "like": "liked {}",
        "share": "shared {}",
        "comment": "commented on {}",
        "enrol": "enrolled in {}",
        "complete": "completed {}",
        "apply": "applied for {}",
    },
    "zh": {
        "view": "浏览过{}",
        "click": "点击过{}",
        "cart": "把{}加入过购物车",
        "purchase": "购买过{}",
        "rating": "评价过{}",
        "review": "点评过{}",
        "like": "喜欢过{}",
        "share": "分享过{}",
        "comment": "评论过{}",
        "enrol": "报名过{}",
        "complete": "学完了{}",
        "apply": "申请过{}",
    },
}
_OTHERWISE: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {"popular": "Popular with other users here.", "fresh": "New here."},
    "zh": {"popular": "受到本平台其他用户的欢迎。", "fresh": "新近上架。"},
}


def sentence(explanation: Explanation, titles: Sequence[str], language: Language = "en") -> str:
    """One sentence about a recommendation.

    Parameters
    ----------
    titles
        (N,) of the catalogue.
    """
    deeds = deeds_of(explanation, titles, language)
    if not deeds:
        fresh = explanation.adjustments.get("freshness", 0.0) > 0
        return _OTHERWISE[language]["fresh" if fresh else "popular"]
    if language == "zh":
        return f"因为您{'，也'.join(deeds)}。"
    return f"Because you {' and '.join(deeds)}."


def deeds_of(
    explanation: Explanation, titles: Sequence[str], language: Language = "en"
) -> tuple[str, ...]:
    """What the user did with the past items that speak most for a recommendation."""
    named = [reason for reason in explanation.reasons if reason.value > 0][:MOST_NAMED]
    return tuple(_deed(reason, titles, language) for reason in named)


def plain_title(title: str, language: Language = "en", limit: int = LONGEST_TITLE) -> str:
    """A title in quotation marks, on one line, without control characters, shortened."""
    visible = "".join(" " if _hidden(c) else c for c in title)
    text = " ".join(visible.translate(_MARKS).split())
    if len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return f"《{text}》" if language == "zh" else f"“{text}”"


_MARKS: Final = str.maketrans({"“": None, "”": None, "《": None, "》": None, '"': "″"})


def _hidden(character: str) -> bool:
    return unicodedata.category(character)[0] in "CZ"


def _deed(reason: EventReason, titles: Sequence[str], language: Language) -> str:
    verb = _DID[language][EVENT_TYPES[reason.event]]
    return verb.replace("{}", plain_title(titles[reason.item], language))
