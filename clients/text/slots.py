"""Sentences as slots: what is fixed, what may be chosen, and the grammar that says so.

A sentence is a sequence of slots, each with its alternatives; the first of each is the template.
Every sentence that can be built says only what the facts say, so a model that is confined to the
grammar (GBNF, llama.cpp) can choose but not invent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations

from clients.explaining.wording import Language
from clients.text.facts import Facts, Interest, InterestsText, ItemText

Slots = tuple[tuple[str, ...], ...]


def sentences(facts: Facts, language: Language) -> list[Slots]:
    """The sentences of a text about cleaned `facts`, one after the other."""
    if isinstance(facts, InterestsText):
        write = _interest_zh if language == "zh" else _interest_en
        return [write(one, place) for place, one in enumerate(facts.interests)]
    if language == "zh":
        return [_explanation_zh(facts) if facts.deeds else _blurb_zh(facts)]
    return [_explanation_en(facts) if facts.deeds else _blurb_en(facts)]


def template(slots: Slots) -> str:
    """The sentence of the first alternatives."""
    return "".join(alternatives[0] for alternatives in slots)


def grammar(slots: Slots) -> str:
    """GBNF of a blank and then any sentence that `slots` can build."""
    names = [f"s{number}" for number in range(len(slots))]
    rules = [
        f"{name} ::= {' | '.join(json.dumps(one, ensure_ascii=False) for one in alternatives)}"
        for name, alternatives in zip(names, slots, strict=True)
    ]
    return "\n".join(['root ::= " " ' + " ".join(names), *rules])


def _blurb_en(facts: ItemText) -> Slots:
    if not facts.interests:
        return (("You may like ", "Take a look at "), (facts.title,), *_tail_en(facts))
    return (
        (
            "If you like ",
            "Because you like ",
            "Since you are interested in ",
            "For your interest in ",
        ),
        _choices(facts.interests, " and "),
        (", ",),
        ("take a look at ", "try ", "we suggest ", "you may like "),
        (facts.title,),
        *_tail_en(facts),
    )


def _explanation_en(facts: ItemText) -> Slots:
    return (
        ("Because you ", "Since you "),
        _choices(facts.deeds, " and ", every=True),
        (", ",),
        ("we suggest ", "you may like ", "take a look at "),
        (facts.title,),
        *_tail_en(facts),
    )


def _tail_en(facts: ItemText) -> Slots:
    place = ((", from ", ", found in ", ", part of "), (facts.category,)) if facts.category else ()
    about = ((": ", " — "), (facts.about,)) if facts.about else ()
    return (*place, *about, (".",))


def _interest_en(interest: Interest, place: int) -> Slots:
    first = ("You often come back to ", "You like ", "You are interested in ")
    later = ("You also like ", "You also look at ", "There is also ")
    examples = _examples(interest, " and ")
    said = ((", for example ", ", such as ", ": "), examples) if examples else ()
    return (later if place else first, (interest.label,), *said, (".",))


def _blurb_zh(facts: ItemText) -> Slots:
    if not facts.interests:
        return (("您可能会喜欢", "推荐您看看"), (facts.title,), *_tail_zh(facts))
    return (
        ("如果您喜欢", "既然您喜欢", "因为您喜欢"),
        _choices(facts.interests, "和"),
        ("，",),
        ("不妨看看", "推荐", "您可能会喜欢"),
        (facts.title,),
        *_tail_zh(facts),
    )


def _explanation_zh(facts: ItemText) -> Slots:
    return (
        ("因为您", "由于您"),
        _choices(facts.deeds, "，也", every=True),
        ("，",),
        ("推荐", "不妨看看", "您可能会喜欢"),
        (facts.title,),
        *_tail_zh(facts),
    )


def _tail_zh(facts: ItemText) -> Slots:
    place = (("，属于", "，来自"), (facts.category,)) if facts.category else ()
    about = (("：",), (facts.about,)) if facts.about else ()
    return (*place, *about, ("。",))


def _interest_zh(interest: Interest, place: int) -> Slots:
    examples = _examples(interest, "和")
    said = (("，例如", "，比如"), examples) if examples else ()
    first, later = ("您经常关注", "您喜欢"), ("您也喜欢", "您还关注")
    return (later if place else first, (interest.label,), *said, ("。",))


def _choices(options: Sequence[str], joiner: str, *, every: bool = False) -> tuple[str, ...]:
    """The first two options joined, in both orders; then, unless `every`, each option alone."""
    both = [joiner.join(pair) for pair in permutations(options[:2], min(len(options), 2))]
    return tuple(dict.fromkeys(both if every else [*both, *options]))


def _examples(interest: Interest, joiner: str) -> tuple[str, ...]:
    return _choices(interest.examples, joiner) if interest.examples else ()
