"""Facts and a scripted model for the tests of text."""

from __future__ import annotations

from collections.abc import Callable

from clients.explaining.wording import Language
from clients.text.facts import Interest, InterestsText, ItemText
from clients.text.model import Assignment

BLURB = ItemText(title="Trail Shoe", category="Running", interests=("Hiking", "Running"))
WHY = ItemText(title="Trail Shoe", category="Running", deeds=("viewed “Map”", "bought “Tent”"))
TASTES = InterestsText((Interest("Hiking", ("Map", "Tent")), Interest("Running")))


class Scripted:
    """A model that says what the test wants."""

    def __init__(self, say: Callable[[Assignment], str], *languages: Language) -> None:
        self.say, self.asked = say, 0
        self.languages: frozenset[Language] = frozenset(languages or ("en", "zh"))
        self.name = "scripted"

    def sentence(self, assignment: Assignment, seconds: float) -> str:
        self.asked += 1
        return self.say(assignment)
