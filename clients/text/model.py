"""What a language model must be able to do here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from clients.explaining.wording import Language
from clients.text.facts import Facts
from clients.text.slots import Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One sentence to write.

    Attributes
    ----------
    facts
        Cleaned facts of the whole text.
    place
        Which sentence of the text, from 0.
    slots
        The sentence as slots, for models that can be confined to a grammar.
    language
        Of the sentence.
    """

    facts: Facts
    place: int
    slots: Slots
    language: Language


class TextModel(Protocol):
    """A language model at the platform."""

    @property
    def name(self) -> str:
        """What identifies model and weights."""
        ...

    @property
    def languages(self) -> frozenset[Language]:
        """Languages that it can write."""
        ...

    def sentence(self, assignment: Assignment, seconds: float) -> str:
        """Write a sentence; it is checked by the caller.

        Raises
        ------
        TextTooLateError
            It took longer than `seconds`.
        TextFailedError
            There is no answer.
        """
        ...
