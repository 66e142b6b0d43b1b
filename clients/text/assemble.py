"""Facts for texts out of catalogue, portrait and explanation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clients.data.dataset import Catalogue
from clients.profile import Portrait, PortraitInterest
from clients.ranking.facts import split_categories
from clients.text.facts import Interest, InterestsText, ItemText

EXAMPLES: Final = 2
SUMMARISED: Final = 3


def blurb_facts(
    item: int, catalogue: Catalogue, interests: Sequence[PortraitInterest] = ()
) -> ItemText:
    """For a blurb of an item; `interests` are those that it names, see `named_interests`."""
    return ItemText(
        title=catalogue.titles[item] or catalogue.item_ids[item],
        category=_category(catalogue.categories[item]),
        about=catalogue.descriptions[item],
        interests=tuple(interest.label for interest in interests),
    )


def explanation_facts(item: int, catalogue: Catalogue, deeds: Sequence[str]) -> ItemText:
    """For a sentence that says what a recommendation rests on; `deeds` as from `deeds_of`."""
    return ItemText(
        title=catalogue.titles[item] or catalogue.item_ids[item],
        category=_category(catalogue.categories[item]),
        deeds=tuple(deeds),
    )


def interests_facts(portrait: Portrait, catalogue: Catalogue) -> InterestsText:
    """For a summary of a user's strongest interests."""
    return InterestsText(
        tuple(
            Interest(
                one.label,
                tuple(catalogue.titles[item] for item in one.items if catalogue.titles[item])[
                    :EXAMPLES
                ],
            )
            for one in portrait.interests[:SUMMARISED]
        )
    )


def _category(categories: str) -> str:
    """The most specific category."""
    return (split_categories(categories) or [""])[-1]
