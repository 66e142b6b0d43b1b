"""The gate: a sentence passes only if everything in it stands in the facts.

Quoted titles must be titles of the facts. What is left must consist of words of the item's
category, description and the interests, of numbers in them, and of a closed list of neutral words;
a word out of a title may not stand outside its quotation marks. So a claim ("best", "cheap",
"guaranteed") passes only if the platform's own category or description makes it. The gate does not
understand sentences: words that are all in the facts could still be put together wrongly.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from clients.explaining.wording import Language
from clients.text.facts import Facts, InterestsText

Refusal = Literal["empty", "long", "shape", "title", "quote", "number", "word"]
LONGEST: Final = 600

_QUOTED: Final = {"en": re.compile(r"“[^“”]*”"), "zh": re.compile(r"《[^《》]*》")}
_STRAIGHT: Final = re.compile(r'"([^"“”]*)"')
_SHAPE: Final = re.compile(r"[\n\r\t<>{}\[\]`|\\@#*_~^=]|://|www\.", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

_NEUTRAL_EN: Final = (
    "a also an and are as at because been by come back example find for found from have "
    "here how if in interest interested interests into is it item like likes liked look "
    "looking may might more of often on one or other part recommend recommended see "
    "since so some such suggest take that the then there these this those to too try "
    "under want we were which with you your yours viewed looked put basket bought rated "
    "reviewed shared commented enrolled completed applied"
)
NEUTRAL_EN: Final = frozenset(_NEUTRAL_EN.split())
NEUTRAL_ZH: Final = (
    *(
        "如果您",
        "如果你",
        "因为您",
        "因为你",
        "由于",
        "既然",
        "喜欢",
        "经常",
        "关注",
        "推荐",
        "不妨",
    ),
    *("看看", "试试", "可能", "属于", "来自", "例如", "比如", "兴趣", "感兴趣", "浏览过", "点击过"),
    *("加入过购物车", "购买过", "评价过", "点评过", "喜欢过", "分享过", "评论过", "报名过"),
    *("学完了", "申请过", "您", "你", "我", "们", "也", "还", "会", "的", "对", "和", "与", "把"),
    *("这", "是", "为", "在", "给", "，", "。", "：", "、"),
)


def refusal(text: str, facts: Facts, language: Language) -> Refusal | None:
    """Why `text` must not be shown; None if it may.

    Parameters
    ----------
    facts
        Cleaned facts, see `clients.text.facts.cleaned`.
    """
    if not text.strip():
        return "empty"
    if len(text) > LONGEST:
        return "long"
    titles, words = _allowed(facts, language)
    text = _STRAIGHT.sub(r"“\1”", text) if language == "en" else text
    quoted = _QUOTED[language].findall(text)
    if not set(quoted) <= titles:
        return "quote"
    if not isinstance(facts, InterestsText) and facts.title not in quoted:
        return "title"
    rest = _QUOTED[language].sub(" ", text)
    if _SHAPE.search(rest):
        return "shape"
    if set(_NUMBER.findall(rest)) - set(_NUMBER.findall(words)):
        return "number"
    known = _known_en(rest, words) if language == "en" else _known_zh(rest, words)
    return None if known else "word"


def _allowed(facts: Facts, language: Language) -> tuple[set[str], str]:
    """Titles that may be quoted, and the text whose words may be used."""
    if isinstance(facts, InterestsText):
        titles = {title for interest in facts.interests for title in interest.examples}
        return titles, " ".join(interest.label for interest in facts.interests)
    deeds = " ".join(facts.deeds)
    titles = {facts.title, *_QUOTED[language].findall(deeds)}
    return titles, " ".join((facts.category, facts.about, *facts.interests))


def _known_en(text: str, words: str) -> bool:
    known = NEUTRAL_EN | _words(words)
    return _words(text) <= known and not re.search(r"[“”]", text)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _known_zh(text: str, words: str) -> bool:
    """Whether `text` can be cut into neutral phrases, words, and pieces (2 or more) of `words`."""
    text, whole = "".join(text.split()), {*words.split(), *NEUTRAL_ZH}
    words = "".join(words.split())
    longest = max(len(one) for one in whole)
    reached = [True] + [False] * len(text)
    for end in range(1, len(text) + 1):
        starts = (start for start in range(max(0, end - longest), end) if reached[start])
        reached[end] = any(
            text[start:end] in whole or (end - start > 1 and text[start:end] in words)
            for start in starts
        )
    return reached[-1]
