"""What a text may say: catalogue facts and interests, cleaned, and nothing else.

Titles and descriptions are written by sellers and users. In a prompt they are data: titles only
ever stand in quotation marks, and a description that talks to a language model is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clients.explaining.wording import Language, plain_title
from shared.hashing import digest

LONGEST_LABEL: Final = 60
LONGEST_ABOUT: Final = 160
_INSTRUCTION: Final = re.compile(
    r"ignore|instruction|prompt|system|assistant|disregard|forget|pretend|respond|output|reply|"
    r"://|www\.|[<>{}\[\]`|\\@#*_~^=]|忽略|指令|提示词|系统|扮演|回复|输出",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Interest:
    """One interest of a user.

    Attributes
    ----------
    label
        Category of the platform.
    examples
        Titles of the user's own items in it.
    """

    label: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemText:
    """Facts for one sentence about an item: why to look at it, or why it is recommended.

    Attributes
    ----------
    title, category, about
        Of the item, as in the catalogue; category and about may be empty.
    interests
        Labels of the user's interests that the text names.
    deeds
        ``viewed “A”``, ``bought “B”``: what the recommendation rests on; given, the sentence is an
        explanation, otherwise a blurb.
    """

    title: str
    category: str = ""
    about: str = ""
    interests: tuple[str, ...] = ()
    deeds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InterestsText:
    """Facts for a summary of a user's interests, the strongest first."""

    interests: tuple[Interest, ...]


Facts = ItemText | InterestsText


def cleaned(facts: Facts, language: Language) -> Facts:
    """Facts as they may enter prompts and sentences."""
    if isinstance(facts, InterestsText):
        return InterestsText(
            tuple(
                Interest(label, tuple(plain_title(t, language) for t in one.examples))
                for one in facts.interests
                if (label := _label(one.label))
            )
        )
    return ItemText(
        title=plain_title(facts.title, language),
        category=_label(facts.category),
        about=_about(facts.about),
        interests=tuple(label for one in facts.interests if (label := _label(one))),
        deeds=facts.deeds,  # worded by clients.explaining, titles cleaned there
    )


def fingerprint(facts: Facts, language: Language, model: str) -> bytes:
    """Key of a text in the cache."""
    return digest("isthmus text", repr(facts).encode(), language.encode(), model.encode())


def _label(text: str) -> str:
    """A category on one line; empty if it talks to a language model or is too long."""
    line = _one_line(text)
    return "" if len(line) > LONGEST_LABEL or _INSTRUCTION.search(line) else line


def _about(text: str) -> str:
    """First sentence of a description, without its full stop, under the same rule."""
    first = re.split(r"[.!?。！？;；]", _one_line(text), maxsplit=1)[0].strip()
    return "" if len(first) > LONGEST_ABOUT or _INSTRUCTION.search(first) else first


def _one_line(text: str) -> str:
    return plain_title(text[: 4 * LONGEST_ABOUT], limit=4 * LONGEST_ABOUT)[1:-1]
